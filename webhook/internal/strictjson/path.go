package strictjson

import (
	"fmt"
	"strconv"
)

// Beyond these lengths in bytes, a path and a name in it are cut off.
const (
	maxPath = 200
	maxName = 64
)

// path writes where the scanner is.
func (s *scanner) path() string {
	var out []byte
	for i, f := range s.stack {
		if len(out) > maxPath {
			return string(out) + "…"
		}
		if !f.object {
			out = append(out, '[')
			out = strconv.AppendInt(out, int64(f.index), 10)
			out = append(out, ']')
			continue
		}
		end := len(s.names)
		if i+1 < len(s.stack) {
			end = s.stack[i+1].first
		}
		if end > f.first { // Else no name was read yet.
			out = appendName(out, s.names[end-1])
		}
	}
	return string(out)
}

// Member returns the path of the member of an object, as [Error] writes it.
func Member(object, name string) string {
	return string(appendName([]byte(object), []byte(name)))
}

// appendName appends a name after a dot, or, if it is no plain word, in brackets
// and quotes.
func appendName(out, name []byte) []byte {
	if !plain(name) {
		if len(name) > maxName {
			return fmt.Appendf(out, "[%+q…]", name[:maxName])
		}
		return fmt.Appendf(out, "[%+q]", name)
	}
	if len(out) > 0 {
		out = append(out, '.')
	}
	return append(out, name...)
}

func plain(name []byte) bool {
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '$':
		default:
			return false
		}
	}
	return len(name) > 0 && len(name) <= maxName
}
