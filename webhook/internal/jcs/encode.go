package jcs

import "unicode/utf8"

// Encoding is how the strings of a canonical text are spelled when it is sent.
// The value of the text is the same in all of them.
type Encoding string

// The encodings. An empty Encoding is Standard.
const (
	// Standard is canonical form itself.
	Standard Encoding = "standard"

	// ASCII writes all characters beyond ASCII, and DEL, as \u and four
	// lower-case hex digits, those above U+FFFF as a surrogate pair: as Python's
	// json.dumps does, and PHP's json_encode but for DEL.
	ASCII Encoding = "ascii"

	// HTML writes <, >, &, U+2028 and U+2029 in that way, as Go's json.Marshal
	// does.
	HTML Encoding = "html"
)

// Encode returns canonical in another encoding. If there is nothing to change, it
// returns canonical itself.
func Encode(canonical []byte, e Encoding) []byte {
	i := e.next(canonical)
	if i < 0 {
		return canonical
	}
	dst := make([]byte, 0, len(canonical)+len(canonical)/4+16)
	return e.appendFrom(dst, canonical, i)
}

// AppendEncode appends canonical in another encoding to dst.
func AppendEncode(dst, canonical []byte, e Encoding) []byte {
	return e.appendFrom(dst, canonical, e.next(canonical))
}

// appendFrom appends src, whose first character to change is at i.
func (e Encoding) appendFrom(dst, src []byte, i int) []byte {
	for i >= 0 {
		dst = append(dst, src[:i]...)
		r, size := utf8.DecodeRune(src[i:])
		dst = appendEscaped(dst, r)
		src = src[i+size:]
		i = e.next(src)
	}
	return append(dst, src...)
}

// next returns where the first character to change is, or -1. All of them can
// only be within strings.
func (e Encoding) next(src []byte) int {
	switch e {
	case ASCII:
		for i, c := range src {
			if c >= 0x7f {
				return i
			}
		}
	case HTML:
		for i, c := range src {
			switch {
			case c > '>' && c != 0xe2: // Most of them.
			case c == '<', c == '>', c == '&':
				return i
			case c == 0xe2 && i+2 < len(src) && src[i+1] == 0x80 && src[i+2]&^1 == 0xa8:
				return i // U+2028 or U+2029.
			}
		}
	}
	return -1
}

func appendEscaped(dst []byte, r rune) []byte {
	if r >= 0x10000 {
		r -= 0x10000
		dst = appendEscaped(dst, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&0xf], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf])
}
