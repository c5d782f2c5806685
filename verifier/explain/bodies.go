package explain

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
)

// variant is a body that may have been signed.
type variant struct {
	bytes   []byte
	mistake Finding // what has happened to it; zero for the body as it arrived
}

const (
	// maxUndone is the largest body for which more than line breaks are undone. Our
	// sender sends none that is larger.
	maxUndone = 256 << 10

	asItArrived = "Verify the bytes as they arrived, before anything reads, parses or converts them."
)

// variants returns the body and everything that it may have been before, each once,
// the likely ones first.
func variants(body []byte) []variant {
	v := &collector{seen: map[[sha256.Size]byte]bool{}}
	v.add(body, "", "", "")
	if len(body) == 0 {
		return v.all
	}
	v.lineBreaks(body)
	if len(body) <= maxUndone {
		v.charsets(body)
		v.wrappers(body)
		v.dumps(body)
		v.rewritten(body)
	}
	v.add(nil, BodyEmpty, "An empty body was signed.", "Whoever signs has to sign the body that is sent.")
	return v.all
}

type collector struct {
	all  []variant
	seen map[[sha256.Size]byte]bool
}

func (c *collector) add(body []byte, code Code, text, advice string) {
	sum := sha256.Sum256(body)
	if c.seen[sum] || len(body) == 0 && code != "" && code != BodyEmpty {
		return
	}
	c.seen[sum] = true
	c.all = append(c.all, variant{body, Finding{code, code != "", text, advice}})
}

func (c *collector) lineBreaks(body []byte) {
	const advice = "An editor, a template or echo adds one; a form or a trim function removes it. " + asItArrived
	c.add(bytes.TrimRight(body, "\r\n"), BodyLineBreak, "The body ends with a line break that was not signed.", advice)
	for _, end := range []string{"\n", "\r\n"} {
		c.add(append(bytes.Clone(body), end...), BodyLineBreak, "The body has lost the line break at its end.", advice)
	}
	unix := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	c.add(unix, BodyLineBreak, "The body's line breaks have become CRLF.", asItArrived)
	c.add(bytes.ReplaceAll(unix, []byte("\n"), []byte("\r\n")), BodyLineBreak, "The body's line breaks were CRLF when it was signed.", asItArrived)
	c.add(bytes.TrimSpace(body), BodySpace, "The body has white space around it that was not signed.", asItArrived)
	const bom = "\xef\xbb\xbf"
	c.add(bytes.TrimPrefix(body, []byte(bom)), BodyCharset, "The body begins with a byte order mark that was not signed.", asItArrived)
	c.add(append([]byte(bom), body...), BodyCharset, "The body has lost the byte order mark that it was signed with.", asItArrived)
}

// wrappers unwraps the body: from a JSON string, base64, a form or gzip.
func (c *collector) wrappers(body []byte) {
	trimmed := bytes.TrimSpace(body)
	const unwrap = "Something in front of the receiver wraps the body, or the receiver has read it so: sign and verify what is inside, or what is sent."
	var text string
	if json.Unmarshal(trimmed, &text) == nil && len(trimmed) > 0 && trimmed[0] == '"' {
		c.add([]byte(text), BodyEncodedJSON, "The body is a JSON string that holds the JSON: it was encoded twice.", unwrap)
	}
	c.add(style{}.appendString(nil, string(body)), BodyEncodedJSON,
		"A JSON string that holds the JSON was signed: it was encoded twice.", "Whoever signs has to sign the body that is sent.")
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
		if raw, err := encoding.DecodeString(string(trimmed)); err == nil {
			c.add(raw, BodyBase64, "The body is base64 of what was signed.",
				"Gateways hand binary bodies over so, with a flag beside it: decode it before you verify.")
		}
	}
	c.form(string(trimmed))
	if unzipped, ok := gunzip(body); ok {
		c.add(unzipped, BodyCompressed, "The body is compressed; what was signed is not.", "Unpack it before you verify, or let nothing compress it on the way.")
	}
}

// form reads the body as application/x-www-form-urlencoded.
func (c *collector) form(body string) {
	const text = "The body is form-encoded; what was signed is not."
	const advice = "The request was sent as a form, or a form parser has read it and written it again: take the JSON as it is."
	if values, err := url.ParseQuery(body); err == nil {
		for name, list := range values {
			c.add([]byte(name), BodyForm, text, advice)
			for _, value := range list {
				c.add([]byte(value), BodyForm, text, advice)
			}
		}
	}
	for _, unescape := range []func(string) (string, error){url.QueryUnescape, url.PathUnescape} {
		if plain, err := unescape(body); err == nil {
			c.add([]byte(plain), BodyForm, text, advice)
		}
	}
}

func gunzip(body []byte) ([]byte, bool) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, false
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxUndone))
	return plain, err == nil
}

// rewritten writes the JSON of the body in all styles.
func (c *collector) rewritten(body []byte) {
	root, ok := parseJSON(body)
	if !ok {
		return
	}
	const advice = asItArrived + " In Express that is express.raw, in Flask request.get_data(), in PHP php://input, in Go io.ReadAll(r.Body). " +
		"If it cannot be, have the webhook's payloadEncoding set to what your parser writes."
	for style := range styles {
		c.add(style.write(root), BodyRewritten,
			"The body is not the bytes that were signed, but the same JSON written again. What was signed was "+style.String()+".", advice)
	}
}
