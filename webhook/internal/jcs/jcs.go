package jcs

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rag-assistant/webhooks/webhook/words"
)

// Limits of a body.
const (
	// MaxSize is the most bytes that the canonical form may have.
	MaxSize = 256 << 10

	// MaxDepth is the most arrays and objects that may be open at once: the
	// default of Ruby's parser.
	MaxDepth = 100
)

// Error says why a text has no canonical form. It holds no value of the text.
type Error struct {
	// Path is a JSON Pointer (RFC 6901) to the fault, as in /data/items/3/sku. It
	// is empty if the text as a whole is at fault.
	Path string

	// Reason is a predicate, as in "is not valid JSON".
	Reason words.Message
}

func refuse(path string, reason words.Text, args ...any) *Error {
	return &Error{Path: path, Reason: words.Message{Text: reason, Args: args}}
}

// Error joins path and reason.
func (e *Error) Error() string {
	if e.Path == "" {
		return "jcs: " + e.Reason.String()
	}
	return "jcs: " + e.Path + " " + e.Reason.String()
}

// Canonicalize returns the value of src in canonical form, in a slice of its own.
// An error is always an [*Error].
func Canonicalize(src []byte) ([]byte, error) {
	if !utf8.Valid(src) {
		return nil, refuse("", "is not valid UTF-8")
	}
	if offset, reason := check(src); reason.Text != "" {
		return nil, &Error{Path: locate(src, offset), Reason: reason}
	}
	out := jsontext.Value(bytes.Clone(src))
	if err := out.Canonicalize(); err != nil {
		return nil, explain(src, err)
	}
	if len(out) > MaxSize {
		return nil, refuse("", "is larger than %d bytes", MaxSize)
	}
	return out, nil
}

// explain says in our words what jsontext did not like, for its own quote the
// text.
func explain(src []byte, err error) *Error {
	path := ""
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		path = string(syntax.JSONPointer)
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return refuse(path, "appears twice")
	case !json.Valid(src):
		return refuse("", "is not valid JSON")
	}
	return refuse(path, "holds half of a surrogate pair")
}

// locate returns the path of the value at offset.
func locate(src []byte, offset int) string {
	d := jsontext.NewDecoder(bytes.NewReader(src), jsontext.AllowDuplicateNames(true))
	for d.InputOffset() <= int64(offset) {
		if _, err := d.ReadToken(); err != nil {
			return ""
		}
	}
	return string(d.StackPointer())
}

// check looks for what jsontext would let pass: deep nesting, and numbers that
// would change their value. It returns where and what that is, or no text. It
// takes src to be valid JSON; whether it is, jsontext says.
func check(src []byte) (offset int, reason words.Message) {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '"':
			for i++; i < len(src) && src[i] != '"'; i++ {
				if src[i] == '\\' {
					i++
				}
			}
		case c == '{', c == '[':
			if depth++; depth > MaxDepth {
				return i, words.Message{Text: "is nested more than %d levels deep", Args: []any{MaxDepth}}
			}
		case c == '}', c == ']':
			depth--
		case c == '-', '0' <= c && c <= '9':
			start := i
			for i+1 < len(src) && inNumber(src[i+1]) {
				i++
			}
			if reason := checkNumber(src[start : i+1]); reason != "" {
				return start, words.Message{Text: reason}
			}
		}
	}
	return 0, words.Message{}
}

func inNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

// checkNumber says what is wrong with a number. Fractions are rounded to the next
// double, as everywhere; integers are not, because long ones are ids.
func checkNumber(text []byte) words.Text {
	if len(text) <= 15 && !bytes.ContainsAny(text, "eE") {
		return ""
	}
	f, err := strconv.ParseFloat(string(text), 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return "is a number out of range"
	case err != nil:
		return "" // No number: jsontext says so.
	case bytes.ContainsAny(text, ".eE"):
		return ""
	case string(strconv.AppendFloat(nil, f, 'f', -1, 64)) == string(text):
		return "" // The shortest digits for f, and zeros: what canonical form has.
	}
	exact, ok := new(big.Int).SetString(string(text), 10)
	if rounded, _ := big.NewFloat(f).Int(nil); ok && exact.Cmp(rounded) != 0 {
		return "is an integer too long for a double; send it as a string"
	}
	return ""
}
