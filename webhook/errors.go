package webhook

import (
	"errors"
	"strings"

	"github.com/rag-assistant/webhooks/store"
)

// The errors of [Service] that callers branch on; test with [errors.Is].
// Everything else a Service returns is an [*InvalidError] or a fault of the
// store.
var (
	// ErrNotFound says that this merchant has no such webhook, delivery or
	// event. It is the same for an id of another merchant.
	ErrNotFound = store.ErrNotFound
	// ErrConflict says that an event with this id and other content was
	// published before.
	ErrConflict = store.ErrConflict
	// ErrVersion says that the webhook has changed since the caller read it.
	ErrVersion = store.ErrVersion
	// ErrLimit says that the merchant may not have one more webhook.
	ErrLimit = store.ErrLimit
)

// ErrRotating says that the previous rotation's grace is not over.
var ErrRotating = errors.New("a rotation is under way")

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	Field   string // the field's name in the management API; empty: the whole
	Message string // a sentence for people, safe to show
}

// InvalidError lists everything that is wrong with what a caller asked for.
type InvalidError struct {
	Fields []FieldError
}

// Error joins the faults on one line.
func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		if parts[i] = f.Message; f.Field != "" {
			parts[i] = f.Field + ": " + f.Message
		}
	}
	return "invalid request: " + strings.Join(parts, "; ")
}

// faults collects field errors.
type faults []FieldError

func (f *faults) add(field, message string) {
	*f = append(*f, FieldError{Field: field, Message: message})
}

// invalidIf returns an InvalidError if there are faults.
func invalidIf(f faults) error {
	if len(f) == 0 {
		return nil
	}
	return &InvalidError{Fields: f}
}

func invalid(field, message string) error {
	return &InvalidError{Fields: []FieldError{{Field: field, Message: message}}}
}

// errAnswers is a store that breaks its contract.
var errAnswers = errors.New("the store answered for another number of records than it was asked for")
