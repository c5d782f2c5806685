package jcs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a body.
const (
	// MaxSize is the most bytes that the canonical form may have.
	MaxSize = 256 << 10

	// MaxDepth is the most arrays and objects that may be open at once: the
	// default of Ruby's parser.
	MaxDepth = 100
)

// Error says why a text has no canonical form. It holds nothing of the text.
type Error struct {
	// Reason is a predicate, as in "is not valid JSON".
	Reason string
}

// Error returns the reason.
func (e *Error) Error() string { return "jcs: " + e.Reason }

// Canonicalize returns the value of src in canonical form, in a slice of its own.
// It fails with an [*Error].
func Canonicalize(src []byte) ([]byte, error) {
	if !utf8.Valid(src) {
		return nil, &Error{"is not valid UTF-8"}
	}
	if err := check(src); err != nil {
		return nil, err
	}
	out := jsontext.Value(bytes.Clone(src))
	if err := out.Canonicalize(); err != nil {
		return nil, explain(src, err)
	}
	if len(out) > MaxSize {
		return nil, &Error{fmt.Sprintf("is larger than %d bytes", MaxSize)}
	}
	return out, nil
}

// explain finds out what jsontext did not like, for its errors quote the text.
func explain(src []byte, err error) *Error {
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &Error{"has a name twice in one object"}
	case !json.Valid(src):
		return &Error{"is not valid JSON"}
	}
	return &Error{"holds half of a surrogate pair"}
}

// check looks for what jsontext would accept: deep nesting and numbers that
// change their value. It finds its way in valid JSON only; whether src is that,
// jsontext says.
func check(src []byte) error {
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
				return &Error{fmt.Sprintf("is nested more than %d levels deep", MaxDepth)}
			}
		case c == '}', c == ']':
			depth--
		case c == '-', '0' <= c && c <= '9':
			start := i
			for i+1 < len(src) && inNumber(src[i+1]) {
				i++
			}
			if err := checkNumber(src[start : i+1]); err != nil {
				return err
			}
		}
	}
	return nil
}

func inNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

// checkNumber refuses numbers that are no double. Fractions are rounded to the
// next one, as everywhere; integers are not, because they are mostly ids.
func checkNumber(text []byte) error {
	if len(text) <= 15 && bytes.IndexByte(text, 'e') < 0 && bytes.IndexByte(text, 'E') < 0 {
		return nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return &Error{"holds a number out of range"}
	case err != nil:
		return &Error{"is not valid JSON"}
	case bytes.ContainsAny(text, ".eE"):
		return nil
	}
	if string(strconv.AppendFloat(nil, f, 'f', -1, 64)) == string(text) {
		return nil // As canonical form has it: the shortest digits, then zeros.
	}
	exact, ok := new(big.Float).SetPrec(1100).SetString(string(text))
	if ok && exact.Cmp(big.NewFloat(f)) != 0 {
		return &Error{"holds an integer too long for a double; send it as a string"}
	}
	return nil
}
