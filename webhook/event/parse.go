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
	maxIDLen = 255  // bytes
	maxDepth = 1000 // levels of nesting, ten times what a service publishes
)

// Parse reads an event from a body that was verified. The body must be one JSON
// object in valid UTF-8, in which no object has a name twice, with
//
//   - id: a string of 1 to 255 bytes without control characters,
//   - type: a well-formed [Type], known or not,
//   - created: a time as in RFC 3339, from 1970 on,
//   - data: any value.
//
// Otherwise Parse fails with an error that wraps [ErrMalformed]. Other members are
// ignored, so that a sender can add some, but a name that differs from these four
// only in case is an error. Parse does not limit the size of body. It does not keep
// body: Data is a copy.
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
	if !ValidID(id) {
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

// ParseStandard reads a message of any sender that follows Standard Webhooks, from a
// body that was verified. id and sent are its webhook-id and webhook-timestamp.
//
// A body that [Parse] reads is that event. Otherwise the body must be one JSON object
// with a type, a string of 1 to 255 bytes without control characters. Then the event's
// ID is id, its Created is the body's timestamp, in RFC 3339, or else sent, and its
// Data is the body's data, or else the whole body. Of a CloudEvent in structured mode,
// which has a specversion, Created is its time. The error wraps [ErrMalformed].
//
// The body of a CloudEvent in binary mode is its data alone. Who it is from, and of what
// type, is in headers that no signature covers, so ParseStandard does not read them.
func ParseStandard(body []byte, id string, sent time.Time) (Event, error) {
	if e, err := Parse(body); err == nil {
		return e, nil
	}
	fields, err := strictjson.Object(body, strictjson.Limits{Depth: maxDepth})
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	name, _ := strictjson.String(fields.Get("type"))
	if !ValidID(name) {
		return Event{}, malformed("type", "is missing, or not a string of 1 to 255 bytes without control characters")
	}
	if !ValidID(id) {
		return Event{}, malformed("webhook-id", "is not 1 to 255 bytes without control characters")
	}
	e := Event{ID: id, Type: Type(name), Created: sent.UTC(), Data: json.RawMessage(bytes.Clone(body))}
	stamp := "timestamp"
	if fields.Get("specversion") != nil {
		stamp = "time"
	}
	text, _ := strictjson.String(fields.Get(stamp))
	if at, ok := parseTime(text); ok {
		e.Created = at
	}
	if data := fields.Get("data"); data != nil {
		e.Data = json.RawMessage(bytes.Clone(data))
	}
	return e, nil
}

func malformed(field, reason string) error {
	return fmt.Errorf("%w: %s %s", ErrMalformed, field, reason)
}

// ValidID reports whether id may be that of an event: 1 to 255 bytes of UTF-8 without
// control characters. Other senders' types are held to the same.
func ValidID(id string) bool {
	for _, r := range id {
		if unicode.IsControl(r) {
			return false
		}
	}
	return id != "" && len(id) <= maxIDLen && utf8.ValidString(id)
}

// parseTime reads a time as in RFC 3339. It is stricter than time.Parse, which also
// takes hours of one digit and a comma before the fraction.
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
