// Package strictjson checks JSON text as strictly as RFC 8259 and RFC 7493
// (I-JSON) allow, before encoding/json decodes it.
//
// encoding/json takes much on trust: of two members with one name the last wins,
// invalid UTF-8 and half surrogate pairs turn into U+FFFD, names match without
// regard to case, and a Decoder stops before trailing data. Two readers of one
// text can then see two things. This package refuses such text:
//
//	fields, err := strictjson.Object(body, strictjson.Limits{Size: 64 << 10, Depth: 16})
//	if err != nil {
//		return err // A *strictjson.Error, fit to be shown to the sender.
//	}
//	url, ok := strictjson.String(fields.Get("url"))
//
// What it accepts, encoding/json accepts as well, and decodes to the same value.
//
// The time is linear in the size of the text whatever the text is: there is no
// recursion, and names are compared through hash tables with a random seed. The
// memory is linear in the number of open containers and of the names in them.
package strictjson
