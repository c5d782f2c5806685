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

// Step leads from an object or array to one of its values.
type Step struct {
	Object bool
	Name   []byte // of the member, decoded
	Index  int    // of the element, if it is an array
}

// Path writes steps as in [Error.Field]: data.items[2].sku. Names that are no plain
// words stand in brackets and quotes. What is long is cut off.
func Path(steps []Step) string {
	var out []byte
	for _, step := range steps {
		switch {
		case len(out) > maxPath:
			return string(out) + "…"
		case step.Object:
			out = appendName(out, step.Name)
		default:
			out = append(out, '[')
			out = strconv.AppendInt(out, int64(step.Index), 10)
			out = append(out, ']')
		}
	}
	return string(out)
}

// path writes where the scanner is.
func (s *scanner) path() string {
	steps := make([]Step, 0, len(s.stack))
	for i, f := range s.stack {
		step := Step{Object: f.object, Index: f.index}
		if f.object {
			end := len(s.names)
			if i+1 < len(s.stack) {
				end = s.stack[i+1].first
			}
			if end == f.first {
				continue // No name was read yet.
			}
			step.Name = s.names[end-1]
		}
		steps = append(steps, step)
	}
	return Path(steps)
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
