package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// Event is something that happened. Make one with [New], [NewRaw] or [Parse].
type Event struct {
	// ID identifies the event. Repeats of an event have the same ID. A sender may
	// leave it empty: the service that publishes the event then makes one.
	ID string

	// Type says what happened.
	Type Type

	// Created is when it happened. It is written in UTC and whole seconds. A
	// sender may leave it zero: the service that publishes the event then takes
	// the present.
	Created time.Time

	// Data is what there is to know about it: a [Payload], or anything that
	// encoding/json can write. After [Parse] it is a [json.RawMessage]; see
	// [Data] and [Event.Decode].
	Data any
}

// New returns an event of p's type with the data p, to be published.
func New(p Payload) Event {
	return Event{Type: p.EventType(), Data: p}
}

// NewRaw returns an event of any type, to be published. Data is anything that
// encoding/json can write as a JSON value of any kind, JSON text as a
// [json.RawMessage] included. It is read when the event is published, and must
// not change until then.
func NewRaw(t Type, data any) Event {
	return Event{Type: t, Data: data}
}

// MarshalJSON writes the envelope of the guide: id, type, created and data, in
// this order. It needs all four, and names the type if data cannot be written.
// Characters of HTML are not escaped, though [json.Marshal] does so afterwards.
//
// In a payload of this package, a zero Timestamp becomes Created, and times are
// written in UTC and whole seconds.
func (e Event) MarshalJSON() ([]byte, error) {
	switch {
	case !validID(e.ID):
		return nil, fmt.Errorf("event: %s has no valid id", e.name())
	case !e.Type.Valid():
		return nil, errors.New("event: the type is not valid")
	case e.Created.IsZero():
		return nil, fmt.Errorf("event: %s has no time", e.name())
	}
	var buf bytes.Buffer
	buf.Grow(512)
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	buf.WriteString(`{"id":`)
	if err := encode(&buf, enc, e.ID); err != nil {
		return nil, err
	}
	buf.WriteString(`,"type":"`)
	buf.WriteString(string(e.Type))
	buf.WriteString(`","created":`)
	created, err := whole(e.Created).MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("event: %s: created: %w", e.Type, err)
	}
	buf.Write(created)
	buf.WriteString(`,"data":`)
	if err := encode(&buf, enc, e.data()); err != nil {
		return nil, fmt.Errorf("event: %s: data: %w", e.Type, err)
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil
}

func (e Event) name() string {
	if !e.Type.Valid() {
		return "an event"
	}
	return string(e.Type)
}

// data returns the data as it is to be written.
func (e Event) data() any {
	if p, ok := e.Data.(finisher); ok {
		return p.finish(e.Created)
	}
	return e.Data
}

// encode appends v without the line feed that an Encoder ends with.
func encode(buf *bytes.Buffer, enc *json.Encoder, v any) error {
	switch raw, ok := v.(json.RawMessage); {
	case v == nil, ok && len(raw) == 0:
		return errors.New("there is none")
	}
	if err := enc.Encode(v); err != nil {
		return err
	}
	buf.Truncate(buf.Len() - 1)
	return nil
}

// UnmarshalJSON reads an event as [Parse] does.
func (e *Event) UnmarshalJSON(body []byte) error {
	parsed, err := Parse(body)
	if err != nil {
		return err
	}
	*e = parsed
	return nil
}

// Decode stores the data in the value that v points to, as [json.Unmarshal] does.
func (e Event) Decode(v any) error {
	raw, ok := e.Data.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(e.data()); err != nil {
			return fmt.Errorf("event: %s: data: %w", e.name(), err)
		}
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("event: %s: data: %w", e.name(), err)
	}
	return nil
}

// Data returns the data of e as a T. If T is a [Payload], e must be of its type.
//
//	doc, err := event.Data[event.DocumentCreated](e)
func Data[T any](e Event) (T, error) {
	if v, ok := e.Data.(T); ok {
		return v, nil
	}
	var v T
	if p, ok := any(v).(Payload); ok && reflect.TypeFor[T]().Kind() != reflect.Pointer && p.EventType() != e.Type {
		return v, fmt.Errorf("event: %s is not %s", e.name(), p.EventType())
	}
	err := e.Decode(&v)
	return v, err
}
