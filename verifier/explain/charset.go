package explain

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// windows1252 has the characters 0x80 to 0x9f of Windows-1252. In Latin-1 these are
// control characters, and so are the five that Windows-1252 leaves undefined.
const windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

// charset is a character set of one byte a character.
type charset struct {
	name string
	high []rune // 0x80 to 0x9f
}

// at returns the character of b.
func (c charset) at(b byte) rune {
	if 0x80 <= b && b < 0xa0 {
		return c.high[b-0x80]
	}
	return rune(b)
}

func charsets() []charset {
	latin1 := make([]rune, 0, 32)
	for r := rune(0x80); r < 0xa0; r++ {
		latin1 = append(latin1, r)
	}
	return []charset{{"Windows-1252", []rune(windows1252)}, {"Latin-1", latin1}}
}

// decode reads text in c.
func (c charset) decode(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(text)/4)
	for _, b := range text {
		out = utf8.AppendRune(out, c.at(b))
	}
	return out
}

// encode writes text in c. It reports false if a character is not in it.
func (c charset) encode(text []byte) ([]byte, bool) {
	table := make(map[rune]byte, 256)
	for b := range 256 {
		table[c.at(byte(b))] = byte(b)
	}
	out := make([]byte, 0, len(text))
	for _, r := range string(text) {
		b, ok := table[r]
		if !ok {
			return nil, false
		}
		out = append(out, b)
	}
	return out, true
}

func (c *collector) charsets(body []byte) {
	const advice = "JSON is UTF-8. Something on the way, or the receiver, reads it in another character set: " + asItArrived
	if wide, ok := decodeUTF16(body); ok {
		c.add(wide, BodyCharset, "The body is in UTF-16; what was signed is UTF-8.", advice)
	}
	ascii := bytes.IndexFunc(body, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	for _, set := range charsets() {
		if ascii {
			return
		}
		if !utf8.Valid(body) {
			c.add(set.decode(body), BodyCharset, "The body is in "+set.name+"; what was signed is UTF-8.", advice)
			continue
		}
		narrow, ok := set.encode(body)
		switch {
		case ok && utf8.Valid(narrow):
			c.add(narrow, BodyCharset, "The body is in UTF-8 twice: it was read as "+set.name+" and written as UTF-8 again.", advice)
		case ok:
			c.add(narrow, BodyCharset, "The body is in UTF-8; what was signed was "+set.name+".", advice)
		}
		c.add(set.decode(body), BodyCharset, "The body is in UTF-8; what was signed was UTF-8 read as "+set.name+" and written again.", advice)
	}
}

// decodeUTF16 reads UTF-16 with a byte order mark, or without one if every other
// byte of the beginning is zero, as in JSON.
func decodeUTF16(body []byte) ([]byte, bool) {
	if len(body) < 4 || len(body)%2 != 0 {
		return nil, false
	}
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(body, []byte{0xff, 0xfe}), body[1] == 0 && body[3] == 0:
		order = binary.LittleEndian
	case bytes.HasPrefix(body, []byte{0xfe, 0xff}), body[0] == 0 && body[2] == 0:
		order = binary.BigEndian
	default:
		return nil, false
	}
	units := make([]uint16, 0, len(body)/2)
	for i := 0; i < len(body); i += 2 {
		units = append(units, order.Uint16(body[i:]))
	}
	text := strings.TrimPrefix(string(utf16.Decode(units)), "\ufeff")
	return []byte(text), true
}
