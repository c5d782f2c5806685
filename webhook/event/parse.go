package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
)

// ErrMalformed is the error of a body that is no event.
var ErrMalformed = errors.New("event: malformed")

const (
	maxIDLen = 255  // Bytes.
	maxDepth = 1000 // Of nesting. Ten times what a service lets through.
)

// Parse reads an event from a body that was verified. It fails with an error that
// wraps [ErrMalformed] unless body is one JSON object in valid UTF-8, with no
// name twice in one object at any level, that has all of
//
//   - id: a string of 1 to 255 bytes without control characters,
//   - type: a well-formed [Type], known or not,
//   - created: a time as in RFC 3339, from 1970 on,
//   - data: any value.
//
// Other members are ignored, so that a sender can add some, but names that differ
// from these four only in case are an error. Parse does not limit the size of
// body, and does not keep it: Data is a copy.
func Parse(body []byte) (Event, error) {
	fields, err := strictjson.Object(body, strictjson.Limits{Depth: maxDepth})
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for _, name := range []string{"id", "type", "created", "data"} {
		for _, f := range fields {
			if string(f.Name) != name && bytes.EqualFold(f.Name, []byte(name)) {
				return Event{}, malformed(name, "is spelled in another case")
			}
		}
		if fields.Get(name) == nil {
			return Event{}, malformed(name, "is missing")
		}
	}
	id, _ := strictjson.String(fields.Get("id"))
	if !validID(id) {
		return Event{}, malformed("id", "is not a string of 1 to 255 bytes without control characters")
	}
	name, _ := strictjson.String(fields.Get("type"))
	if !Type(name).Valid() {
		return Event{}, malformed("type", "is not an event type")
	}
	text, _ := strictjson.String(fields.Get("created"))
	created, ok := parseTime(text)
	if !ok {
		return Event{}, malformed("created", "is not a time as in RFC 3339")
	}
	return Event{
		ID:      id,
		Type:    Type(name),
		Created: created,
		Data:    json.RawMessage(bytes.Clone(fields.Get("data"))),
	}, nil
}

func malformed(field, reason string) error {
	return fmt.Errorf("%w: %s %s", ErrMalformed, field, reason)
}

func validID(id string) bool {
	for _, r := range id {
		if unicode.IsControl(r) {
			return false
		}
	}
	return id != "" && len(id) <= maxIDLen && utf8.ValidString(id)
}

// parseTime reads a time as in RFC 3339. time.Parse would also take hours of one
// digit and a comma before the fraction.
func parseTime(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || text[len("2006-01-02T15")] != ':' || strings.Contains(text, ",") {
		return time.Time{}, false
	}
	return t.UTC(), validTime(t)
}

// validTime reports whether t is set and has four digits for its year.
func validTime(t time.Time) bool {
	year := t.UTC().Year()
	return 1970 <= year && year <= 9999
}
