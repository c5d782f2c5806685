// Package hidden keeps a value out of everything that prints: fmt with any verb,
// also on an unexported field of somebody's struct, the diff of a failed test, text
// and JSON encoding, and log/slog.
package hidden

import (
	"fmt"
	"io"
	"log/slog"
)

// Value holds a T that only Reveal returns. Values do not compare with ==. The zero
// Value holds nothing.
type Value[T any] struct {
	mask string
	// Reflection reads every field, but not what a func has captured.
	reveal func() T
}

// Of returns a Value that holds v and prints as mask.
func Of[T any](mask string, v T) Value[T] {
	return Value[T]{mask: mask, reveal: func() T { return v }}
}

// Reveal returns what v holds, and the zero T if that is nothing.
func (v Value[T]) Reveal() T {
	if v.reveal == nil {
		var zero T
		return zero
	}
	return v.reveal()
}

// IsZero reports whether v holds nothing.
func (v Value[T]) IsZero() bool { return v.reveal == nil }

// String returns the mask.
func (v Value[T]) String() string {
	if v.mask == "" {
		return "***"
	}
	return v.mask
}

// Format writes the mask whatever the verb and its flags.
func (v Value[T]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, v.String()) }

// MarshalText returns the mask, also inside JSON.
func (v Value[T]) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// LogValue returns the mask.
func (v Value[T]) LogValue() slog.Value { return slog.StringValue(v.String()) }
