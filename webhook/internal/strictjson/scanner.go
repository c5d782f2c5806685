package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// fewNames is how many names of an object are compared one by one. More are kept
// in a map.
const fewNames = 16

// scanner walks a text without recursion.
type scanner struct {
	data   []byte
	pos    int
	limits Limits
	stack  []frame
	names  [][]byte // Of all open objects, the outermost first.
	fields Fields   // Members of the outermost object, unless nil.
}

// frame is an open array or object.
type frame struct {
	object bool
	index  int                 // Of the element, in an array.
	first  int                 // Where the names of an object begin in scanner.names.
	seen   map[string]struct{} // Once there are more than fewNames.
}

func (s *scanner) fail(text Text, args ...any) *Error {
	return refuse(s.path(), text, args...)
}

func refuse(field string, text Text, args ...any) *Error {
	return &Error{Field: field, Reason: fmt.Sprintf(string(text), args...), Text: text, Args: args}
}

func (s *scanner) malformed() *Error {
	if s.pos == len(s.data) {
		return refuse("", "ends too early")
	}
	return refuse("", "is malformed at byte %d", s.pos)
}

// scan reads the whole text, and keeps the members if it has to be an object.
func scan(data []byte, limits Limits, object bool) (Fields, *Error) {
	if limits.Depth <= 0 {
		limits.Depth = DefaultDepth
	}
	s := scanner{
		data:   data,
		limits: limits,
		stack:  make([]frame, 0, 8), // Enough for the usual text.
		names:  make([][]byte, 0, 16),
	}
	if err := s.whole(object); err != nil {
		return nil, err
	}
	return s.fields, nil
}

func (s *scanner) whole(object bool) *Error {
	switch {
	case s.limits.Size > 0 && len(s.data) > s.limits.Size:
		return s.fail("is larger than %d bytes", s.limits.Size)
	case bytes.HasPrefix(s.data, []byte("\xef\xbb\xbf")):
		return s.fail("starts with a byte order mark")
	case !utf8.Valid(s.data):
		return s.fail("is not valid UTF-8")
	}
	switch c := s.next(); {
	case c == 0 && s.pos == len(s.data):
		return s.fail("is empty")
	case object && c == '{':
		s.fields = make(Fields, 0, 8)
	}
	if err := s.values(); err != nil {
		return err
	}
	s.next()
	switch {
	case s.pos < len(s.data):
		return s.fail("is followed by more data")
	case object && s.fields == nil:
		return s.fail("must be an object")
	}
	return nil
}

// next skips space and returns the byte there, and 0 at the end.
func (s *scanner) next() byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// values reads one value and all that is in it.
func (s *scanner) values() *Error {
	start := 0 // Of the value of the last member in fields.
	for {
		c := s.next()
		if s.fields != nil && len(s.stack) == 1 {
			start = s.pos
		}
		var err *Error
		switch c {
		case '{', '[':
			if len(s.stack) >= s.limits.Depth {
				return s.fail("is nested more than %d levels deep", s.limits.Depth)
			}
			s.pos++
			s.stack = append(s.stack, frame{object: c == '{', first: len(s.names)})
			end := s.next()
			if end != c+2 { // In ASCII, } is { + 2 and ] is [ + 2.
				if c == '{' {
					if err = s.name(); err != nil {
						return err
					}
				}
				continue
			}
			s.pos++
			s.pop()
		case '"':
			_, err = s.text()
		case 't':
			err = s.literal("true")
		case 'f':
			err = s.literal("false")
		case 'n':
			err = s.literal("null")
		default:
			err = s.number()
		}
		if err != nil {
			return err
		}
		more, err := s.close(start)
		if !more {
			return err
		}
	}
}

// close reads what follows a value, up to the start of the next, and reports
// whether there is one.
func (s *scanner) close(start int) (bool, *Error) {
	for len(s.stack) > 0 {
		if s.fields != nil && len(s.stack) == 1 {
			s.fields[len(s.fields)-1].Value = s.data[start:s.pos:s.pos]
		}
		top := &s.stack[len(s.stack)-1]
		switch c := s.next(); {
		case c == ',' && top.object:
			s.pos++
			s.next()
			err := s.name()
			return err == nil, err
		case c == ',':
			s.pos++
			top.index++
			return true, nil
		case c == '}' && top.object, c == ']' && !top.object:
			s.pos++
			s.pop()
		default:
			return false, s.malformed()
		}
	}
	return false, nil
}

func (s *scanner) pop() {
	top := len(s.stack) - 1
	s.names = s.names[:s.stack[top].first]
	s.stack = s.stack[:top]
}

// name reads the name of a member and the colon after it.
func (s *scanner) name() *Error {
	if s.peek() != '"' {
		return s.malformed()
	}
	raw, err := s.text()
	if err != nil {
		return err
	}
	name := unescape(raw)
	if s.repeated(name) {
		return s.fail("appears twice")
	}
	if s.fields != nil && len(s.stack) == 1 {
		s.fields = append(s.fields, Field{Name: name})
	}
	if s.next() != ':' {
		return s.malformed()
	}
	s.pos++
	return nil
}

// repeated adds a name to the innermost object and reports whether it was there.
func (s *scanner) repeated(name []byte) bool {
	top := &s.stack[len(s.stack)-1]
	known := s.names[top.first:]
	s.names = append(s.names, name)
	if top.seen != nil {
		_, found := top.seen[string(name)]
		top.seen[string(name)] = struct{}{}
		return found
	}
	for _, k := range known {
		if bytes.Equal(k, name) {
			return true
		}
	}
	if len(known) == fewNames {
		top.seen = make(map[string]struct{}, 2*fewNames)
		for _, k := range s.names[top.first:] {
			top.seen[string(k)] = struct{}{}
		}
	}
	return false
}

// text reads a string and returns what is between the quotes.
func (s *scanner) text() ([]byte, *Error) {
	start := s.pos + 1
	for i := start; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c > '\\', c >= ' ' && c != '"' && c != '\\': // Most of them.
		case c == '"':
			s.pos = i + 1
			return s.data[start:i], nil
		case c == '\\':
			s.pos = i
			n, err := s.escape(s.data[i+1:])
			if err != nil {
				return nil, err
			}
			i += n
		case c < ' ':
			s.pos = i
			return nil, s.malformed()
		}
	}
	s.pos = len(s.data)
	return nil, s.malformed()
}

// escape returns the length of the escape sequence whose backslash is before b.
func (s *scanner) escape(b []byte) (int, *Error) {
	if len(b) == 0 {
		return 0, s.malformed()
	}
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1, nil
	case 'u':
		r := hex4(b[1:])
		switch {
		case r < 0:
			return 0, s.malformed()
		case isHigh(r) && len(b) >= 7 && b[5] == '\\' && b[6] == 'u' && isLow(hex4(b[7:])):
			return 11, nil
		case isHigh(r), isLow(r):
			return 0, s.fail("holds half of a surrogate pair")
		}
		return 5, nil
	}
	return 0, s.malformed()
}

func (s *scanner) literal(word string) *Error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return s.malformed()
	}
	s.pos += len(word)
	return nil
}

// number reads a number: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
func (s *scanner) number() *Error {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return s.malformed()
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.malformed()
		}
	}
	exponent := s.peek()|0x20 == 'e' // Or 'E'.
	if exponent {
		s.pos++
		if sign := s.peek(); sign == '+' || sign == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.malformed()
		}
	}
	// Without an exponent it takes 309 digits to leave the range of a double.
	if exponent || s.pos-start > 300 {
		if _, err := strconv.ParseFloat(string(s.data[start:s.pos]), 64); errors.Is(err, strconv.ErrRange) {
			return s.fail("is a number out of range")
		}
	}
	return nil
}

// peek returns the next byte, and 0 at the end.
func (s *scanner) peek() byte {
	if s.pos == len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

// digits reads digits and reports whether there was one.
func (s *scanner) digits() bool {
	start := s.pos
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}
