package strictjson

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// DefaultDepth is how deep arrays and objects may be nested unless
// [Limits.Depth] says otherwise.
const DefaultDepth = 100

// Limits bounds what is read.
type Limits struct {
	// Size is the most bytes that the text may have. Defaults to 0: any number.
	Size int

	// Depth is the most arrays and objects that may be open at once; {} has depth
	// 1. Defaults to [DefaultDepth].
	Depth int
}

// Error says what is wrong with a text. Neither part holds values of the text
// or the words of another package, so it can be shown to whoever sent the text.
type Error struct {
	// Field is the path of the faulty value, as in events[0] or data.items[2].sku.
	// It is empty if the text as a whole is at fault.
	Field string

	// Reason is a predicate to the field, as in "appears twice".
	Reason string

	// Text is the reason with verbs for Args.
	Text Text
	Args []any
}

// Text is a text of package words, which no receiver has to import for this.
type Text string

// Error joins field and reason.
func (e *Error) Error() string {
	if e.Field == "" {
		return "JSON " + e.Reason
	}
	return e.Field + " " + e.Reason
}

// Field is a member of an object. Both slices may be parts of the text.
type Field struct {
	Name  []byte // Decoded: without quotes and escapes.
	Value []byte // As in the text, without the space around it.
}

// Fields are the members of an object in the order of the text. No two have the
// same name.
type Fields []Field

// Get returns the value of the member with exactly this name, and nil if there is
// none.
func (f Fields) Get(name string) []byte {
	for i := range f {
		if string(f[i].Name) == name {
			return f[i].Value
		}
	}
	return nil
}

// Object checks that data is one JSON object and returns its members, which are
// parts of data. An error is always an [*Error].
func Object(data []byte, limits Limits) (Fields, error) {
	fields, err := scan(data, limits, true)
	if err != nil {
		return nil, err
	}
	return fields, nil
}

// Value checks that data is one JSON value of any kind. An error is always an
// [*Error].
func Value(data []byte, limits Limits) error {
	if _, err := scan(data, limits, false); err != nil {
		return err
	}
	return nil
}

// String returns the string that value holds, and false if it is no string.
// Value must have passed [Object] or [Value], or be nil.
func String(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return string(unescape(value[1 : len(value)-1])), true
}

// Strings returns the strings of the array that value holds, and the indexes of
// elements that are none. It returns false if value is no array. Value must have
// passed [Object] or [Value], or be nil.
func Strings(value []byte) (all []string, others []int, ok bool) {
	var elements []json.RawMessage
	if len(value) == 0 || value[0] != '[' || json.Unmarshal(value, &elements) != nil {
		return nil, nil, false
	}
	all = make([]string, len(elements))
	for i, element := range elements {
		if all[i], ok = String(element); !ok {
			others = append(others, i)
		}
	}
	return all, others, true
}

// unescape returns the content of a checked string, which is raw itself if
// nothing is escaped.
func unescape(raw []byte) []byte {
	i := bytes.IndexByte(raw, '\\')
	if i < 0 {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i >= 0 {
		out = append(out, raw[:i]...)
		c := raw[i+1]
		raw = raw[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r := hex4(raw)
			raw = raw[4:]
			if isHigh(r) {
				r = 0x10000 + (r-0xd800)<<10 + (hex4(raw[2:]) - 0xdc00)
				raw = raw[6:]
			}
			out = utf8.AppendRune(out, r)
			i = bytes.IndexByte(raw, '\\')
			continue
		}
		out = append(out, c)
		i = bytes.IndexByte(raw, '\\')
	}
	return append(out, raw...)
}

func isHigh(r rune) bool { return 0xd800 <= r && r <= 0xdbff }
func isLow(r rune) bool  { return 0xdc00 <= r && r <= 0xdfff }

// hex4 returns the number that the first four bytes write, or -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
