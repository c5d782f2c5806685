package portal

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/rag-assistant/webhooks/webhook/event"
)

type entryView struct {
	event.Entry

	Example []token
}

// token is a piece of JSON with its kind: "k" is a name, "s" a string, "n" any other
// value, "" the rest.
type token struct {
	Kind string
	Text string
}

// maxColoured is the most bytes of JSON that get colours. A browser has trouble with
// a hundred thousand elements.
const maxColoured = 32 << 10

// tokens indents JSON and splits it. Text that is no JSON stays as it is.
func tokens(text []byte) []token {
	if len(text) == 0 {
		return nil
	}
	var indented bytes.Buffer
	if json.Indent(&indented, text, "", "  ") != nil {
		return []token{{Text: string(text)}}
	}
	rest := indented.String()
	if len(rest) > maxColoured {
		return []token{{Text: rest}}
	}
	var out []token
	for rest != "" {
		var n int
		var kind string
		switch c := rest[0]; {
		case c == '"':
			n, kind = quoted(rest), "s"
			if strings.HasPrefix(rest[n:], ":") {
				kind = "k"
			}
		case strings.IndexByte("{}[],: \n", c) < 0:
			kind = "n"
			if n = strings.IndexAny(rest, ",]}\n"); n < 0 {
				n = len(rest)
			}
		default:
			if n = strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("{}[],: \n", r) }); n < 0 {
				n = len(rest)
			}
		}
		out = append(out, token{kind, rest[:n]})
		rest = rest[n:]
	}
	return out
}

// compact reports whether text is JSON without spaces.
func compact(text json.RawMessage) bool {
	var short bytes.Buffer
	return json.Compact(&short, text) == nil && short.Len() == len(text)
}

// quoted returns the length of the JSON string at the start of s.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}
