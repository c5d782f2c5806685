package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
)

// ErrMalformed is the error of a body that is no event.
var ErrMalformed = errors.New("malformed event")

// maxIDLen is the most bytes that an event's id may have.
const maxIDLen = 255

// maxDepth is ten times what a service lets through.
const maxDepth = 1000

// Parse reads an event from a body that was verified. It fails with an error that
// wraps [ErrMalformed] unless body is one JSON object in valid UTF-8, without
// names that appear twice at any level, with all of
//
//   - id: a string of 1 to 255 bytes without control characters,
//   - type: a well-formed [Type], known or not,
//   - created: a time as in RFC 3339,
//   - data: any value.
//
// Other members are ignored, so that a sender can add some, but not names that
// differ from these four in case only. Parse does not bound the size of body, nor
// keep it: Data is a copy.
func Parse(body []byte) (Event, error) {
	fields, err := strictjson.Object(body, strictjson.Limits{Depth: maxDepth})
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for _, f := range fields {
		for _, name := range []string{"id", "type", "created", "data"} {
			if string(f.Name) != name && bytes.EqualFold(f.Name, []byte(name)) {
				return Event{}, malformed(name, "is spelled in another case")
			}
		}
	}
	var e Event
	id, ok := strictjson.String(fields.Get("id"))
	if !ok || !validID(id) {
		return Event{}, malformed("id", "is not a string of 1 to 255 bytes without control characters")
	}
	e.ID = id
	name, ok := strictjson.String(fields.Get("type"))
	if e.Type = Type(name); !ok || !e.Type.Valid() {
		return Event{}, malformed("type", "is not an event type")
	}
	created, ok := strictjson.String(fields.Get("created"))
	if !ok || e.Created.UnmarshalText([]byte(created)) != nil {
		return Event{}, malformed("created", "is not a time as in RFC 3339")
	}
	e.Created = e.Created.In(time.UTC)
	data := fields.Get("data")
	if data == nil {
		return Event{}, malformed("data", "is missing")
	}
	e.Data = json.RawMessage(bytes.Clone(data))
	return e, nil
}

func malformed(field, reason string) error {
	return fmt.Errorf("%w: %s %s", ErrMalformed, field, reason)
}

func validID(id string) bool {
	for i := range len(id) {
		if id[i] < ' ' || id[i] == 0x7f {
			return false
		}
	}
	return id != "" && len(id) <= maxIDLen
}
