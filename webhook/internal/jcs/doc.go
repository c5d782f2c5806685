// Package jcs writes JSON in the one form that is signed, stored and sent: the
// JSON Canonicalization Scheme of RFC 8785. Members are sorted, nothing is
// spaced, strings are raw UTF-8 and numbers are as ECMAScript writes them.
//
//	body, err := jcs.Canonicalize([]byte(`{"price": 200.0, "name": "caf\u00e9"}`))
//	// {"name":"café","price":200}
//
// Receivers that take a body apart and verify what they write again need, for
// some texts, another spelling of the same value; see [Encoding].
//
// # Limits
//
// What two parsers could read as two things, or what a receiver cannot read, is
// an error here rather than a failed delivery later: names that appear twice,
// invalid Unicode, numbers that are not those of a double (an integer too long
// for one belongs in a string), more than [MaxDepth] levels, more than [MaxSize]
// bytes.
//
// Some receivers cannot verify all of the rest: package portable knows which, and
// the encoding for the others.
package jcs
