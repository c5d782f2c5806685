package sqlstore

import (
	"strings"
	"unicode/utf8"
)

// escape begins two hexadecimal digits of a byte that a database's text cannot hold.
const escape = '\x1b'

const digits = "0123456789abcdef"

// encode writes opaque text so that a database takes it: whatever is not valid UTF-8, NUL
// and the escape itself become escapes. Ordinary text stays as it is.
func encode(s string) string {
	if utf8.ValidString(s) && !strings.ContainsAny(s, "\x00\x1b") {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || r == 0 || r == escape {
			b.Write([]byte{escape, digits[s[0]>>4], digits[s[0]&15]})
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// decode is the reverse of encode.
func decode(s string) string {
	if strings.IndexByte(s, escape) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == escape && i+2 < len(s) {
			b.WriteByte(byte(strings.IndexByte(digits, s[i+1])<<4 | strings.IndexByte(digits, s[i+2]))) //nolint:gosec // two digits
			i += 2
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func decodeAll(texts ...*string) {
	for _, text := range texts {
		*text = decode(*text)
	}
}
