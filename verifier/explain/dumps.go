package explain

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
)

// dumps undoes what programs print in place of bytes, and the framing of chunks.
func (c *collector) dumps(body []byte) {
	if raw := undump(body); raw != nil {
		c.add(raw, BodyDump, "The body is what a program prints of the bytes, and not the bytes.", asItArrived)
	}
	if raw, ok := unchunk(body); ok {
		c.add(raw, BodyChunked, "The body still has the framing of its chunks: their lengths between the bytes.",
			"Let an HTTP library read the request, and verify what it hands over.")
	}
}

// isDump reports whether body is what a program prints of bytes or an object, whole or
// not.
func isDump(body []byte) bool {
	text := string(bytes.TrimSpace(body))
	for _, start := range []string{"[object ", "<Buffer ", `{"type":"Buffer"`, "b'", `b"`, "{'", "Object {"} {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	return false
}

// undump returns the bytes that were printed, or nil if some are missing.
func undump(body []byte) []byte {
	text := string(bytes.TrimSpace(body))
	if digits, ok := strings.CutPrefix(text, "<Buffer "); ok { // Node.js, which leaves all but 50 out.
		raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSuffix(digits, ">"), " ", ""))
		if err != nil {
			return nil
		}
		return raw
	}
	var buffer struct { // Node.js: JSON.stringify
		Type string
		Data []byteValue
	}
	if json.Unmarshal(body, &buffer) == nil && buffer.Type == "Buffer" {
		raw := make([]byte, len(buffer.Data))
		for i, b := range buffer.Data {
			raw[i] = byte(b)
		}
		return raw
	}
	if len(text) < 3 || text[0] != 'b' || text[1] != text[len(text)-1] || text[1] != '\'' && text[1] != '"' {
		return nil
	}
	var raw []byte // Python
	for rest := text[2 : len(text)-1]; rest != ""; {
		quote := text[1]
		if rest[0] == '"' || rest[0] == '\'' { // The other one is not escaped.
			quote = 0
		}
		r, multibyte, tail, err := strconv.UnquoteChar(rest, quote)
		switch {
		case err != nil && strings.HasPrefix(rest, `\`) && len(rest) > 1: // An escaped quote of the other kind.
			r, multibyte, tail = rune(rest[1]), false, rest[2:]
		case err != nil:
			return nil
		}
		if multibyte {
			raw = append(raw, string(r)...)
		} else {
			raw = append(raw, byte(r)) //nolint:gosec // G115: \x and ASCII are below 256.
		}
		rest = tail
	}
	return raw
}

// byteValue is a byte in a list: of []byte, encoding/json would want base64.
type byteValue uint8
