// Package token knows what HTTP calls a token.
package token

import "strings"

// Marks are what a token may have beside letters and digits.
const Marks = "!#$%&'*+-.^_`|~"

// Valid reports whether s is a token (RFC 9110, section 5.6.2), as the names of
// headers are.
func Valid(s string) bool {
	for i := range len(s) {
		if !Alphanumeric(s[i]) && strings.IndexByte(Marks, s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// Alphanumeric reports whether c is an ASCII letter or digit.
func Alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
