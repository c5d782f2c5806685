package explain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// node is a JSON value that keeps the order of its members and the spelling of its
// numbers.
type node struct {
	kind byte     // '{', '[', '"', '0' for a number, or 'n' for null, true, false
	text string   // of a string, unquoted; of a number or a word, as it is
	keys []string // of an object
	kids []*node
}

const maxDepth = 500

// parseJSON reads one value.
func parseJSON(body []byte) (*node, bool) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	root, err := parseNode(dec, 0)
	if err != nil {
		return nil, false
	}
	_, err = dec.Token()
	return root, errors.Is(err, io.EOF)
}

func parseNode(dec *json.Decoder, depth int) (*node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case string:
		return &node{kind: '"', text: t}, nil
	case json.Number:
		return &node{kind: '0', text: t.String()}, nil
	case bool:
		return &node{kind: 'n', text: strconv.FormatBool(t)}, nil
	case json.Delim:
		return parseMembers(dec, &node{kind: t.String()[0]}, depth+1)
	}
	return &node{kind: 'n', text: "null"}, nil
}

// parseMembers reads the members of an array or object, and its end.
func parseMembers(dec *json.Decoder, n *node, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errors.New("too deep")
	}
	for dec.More() {
		if n.kind == '{' {
			token, err := dec.Token()
			if err != nil {
				return nil, err
			}
			name, _ := token.(string)
			n.keys = append(n.keys, name)
		}
		kid, err := parseNode(dec, depth)
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, kid)
	}
	_, err := dec.Token()
	return n, err
}

// style is a way to write JSON.
type style struct {
	order, escape, layout int
	shortest              bool // numbers as ECMAScript writes them
}

const ( // order
	asArrived = iota
	sorted    // as RFC 8785 has it
	envelope  // id, type, created, data, as a sender documents them
	orders
)

const ( // escape
	plain   = iota
	html    // < > & U+2028 U+2029, as Go's json.Marshal
	ascii   // all beyond ASCII, as Python's json.dumps
	slashes // "/" as "\/"
	php     // both of these, as PHP's json_encode
	escapes
)

const ( // layout
	compact = iota
	spaced  // as Python's json.dumps
	two     // indented by two spaces
	four
	tab
	layouts
)

// styles yields all styles, the likely ones first.
func styles(yield func(style) bool) {
	for layout := range layouts {
		for order := range orders {
			for escape := range escapes {
				for _, shortest := range []bool{false, true} {
					if !yield(style{order, escape, layout, shortest}) {
						return
					}
				}
			}
		}
	}
}

// String describes s, as the end of a sentence that begins with "What was signed was".
func (s style) String() string {
	text := [layouts]string{"compact", "spaced after commas and colons", "indented by two spaces", "indented by four spaces", "indented by tabs"}[s.layout]
	text += [orders]string{", with its keys in this order", ", with its keys sorted", ", with id, type, created and data in this order"}[s.order]
	text += [escapes]string{
		", characters as they are", ", <, > and & escaped", ", characters beyond ASCII escaped", ", slashes escaped", ", slashes and characters beyond ASCII escaped",
	}[s.escape]
	if s.shortest {
		text += ", numbers in their shortest form"
	}
	return text
}

func (s style) write(root *node) []byte { return s.append(nil, root, 0) }

func (s style) append(dst []byte, n *node, depth int) []byte {
	switch n.kind {
	case '"':
		return s.appendString(dst, n.text)
	case '0':
		return append(dst, s.number(n.text)...)
	case 'n':
		return append(dst, n.text...)
	}
	dst = append(dst, n.kind)
	for i, at := range s.sequence(n, depth) {
		if i > 0 {
			dst = append(dst, ',')
			if s.layout == spaced {
				dst = append(dst, ' ')
			}
		}
		dst = s.breakLine(dst, depth+1)
		if n.kind == '{' {
			dst = append(s.appendString(dst, n.keys[at]), ':')
			if s.layout != compact {
				dst = append(dst, ' ')
			}
		}
		dst = s.append(dst, n.kids[at], depth+1)
	}
	if len(n.kids) > 0 {
		dst = s.breakLine(dst, depth)
	}
	return append(dst, n.kind+2) // The closing one.
}

func (s style) breakLine(dst []byte, depth int) []byte {
	indent := [layouts]string{two: "  ", four: "    ", tab: "\t"}[s.layout]
	if indent == "" {
		return dst
	}
	return append(append(dst, '\n'), strings.Repeat(indent, depth)...)
}

// sequence returns the indexes of n's members in the order of s.
func (s style) sequence(n *node, depth int) []int {
	at := make([]int, len(n.kids))
	for i := range at {
		at[i] = i
	}
	switch {
	case n.kind != '{' || s.order == asArrived:
	case s.order == sorted:
		slices.SortStableFunc(at, func(a, b int) int {
			return slices.Compare(utf16.Encode([]rune(n.keys[a])), utf16.Encode([]rune(n.keys[b])))
		})
	case depth == 0:
		rank := func(i int) int {
			if r := slices.Index([]string{"id", "type", "created", "data"}, n.keys[i]); r >= 0 {
				return r
			}
			return len(n.keys)
		}
		slices.SortStableFunc(at, func(a, b int) int { return rank(a) - rank(b) })
	}
	return at
}

func (s style) number(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	if !s.shortest || err != nil {
		return text
	}
	short, err := json.Marshal(f + 0) // No -0.
	if err != nil {
		return text
	}
	return string(short)
}

func (s style) appendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for _, r := range text {
		if i := strings.IndexRune("\"\\\b\f\n\r\t", r); i >= 0 {
			dst = append(dst, '\\', "\"\\bfnrt"[i])
			continue
		}
		switch {
		case r < 0x20, s.escapes(r):
			for _, unit := range utf16.Encode([]rune{r}) {
				dst = fmt.Appendf(dst, "\\u%04x", unit)
			}
		case r == '/' && (s.escape == slashes || s.escape == php):
			dst = append(dst, `\/`...)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// escapes reports whether s writes r, which is no control character, as \uxxxx.
func (s style) escapes(r rune) bool {
	switch s.escape {
	case html:
		return strings.ContainsRune("<>&\u2028\u2029", r)
	case ascii:
		return r >= 0x7f
	case php:
		return r > 0x7f
	}
	return false
}
