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
	// ID identifies the event: 1 to 255 bytes of UTF-8 without control characters.
	// Repeats of an event have the same ID. If a sender leaves it empty, the service
	// makes one when it publishes the event.
	ID string

	// Type says what happened.
	Type Type

	// Created is when it happened. It is written in UTC and whole seconds. If a
	// sender leaves it zero, the service sets it when it publishes the event.
	Created time.Time

	// Data describes it: a [Payload], or anything that encoding/json can write.
	// After [Parse] it is a [json.RawMessage]; [Data] and [Event.Decode] read it.
	Data any

	// Body and ContentType are those of the request that brought the event. They are
	// empty in one that is to be published, which ignores them. Body must not be changed.
	Body        []byte
	ContentType string
}

// New returns an event of p's type with p as its data, to be published. P must
// not be nil.
func New(p Payload) Event {
	return Event{Type: p.EventType(), Data: p}
}

// NewRaw returns an event of any type, to be published. Data is anything that
// encoding/json can write, JSON text as a [json.RawMessage] included. It is read when
// the event is published, and must not change until then.
func NewRaw(t Type, data any) Event {
	return Event{Type: t, Data: data}
}

// MarshalJSON writes an object with id, type, created and data, in this order. It
// fails unless all four are there and valid. It does not escape characters of HTML,
// but [json.Marshal] does so afterwards.
//
// In the payloads of this package a zero Timestamp becomes Created, and times
// are written in UTC and whole seconds.
func (e Event) MarshalJSON() ([]byte, error) {
	data, err := e.valid()
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	buf.Grow(512)
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	buf.WriteString(`{"id":`)
	if err := encode(&buf, enc, e.ID); err != nil {
		return nil, fmt.Errorf("event: %s: id: %w", e.Type, err)
	}
	buf.WriteString(`,"type":"`)
	buf.WriteString(string(e.Type))
	buf.WriteString(`","created":"`)
	buf.Write(e.Created.UTC().AppendFormat(buf.AvailableBuffer(), time.RFC3339))
	buf.WriteString(`","data":`)
	if err := encode(&buf, enc, data); err != nil {
		return nil, fmt.Errorf("event: %s: data: %w", e.Type, err)
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil
}

// valid returns the data of an event that has all four, and that are valid.
func (e Event) valid() (data any, err error) {
	data = e.data()
	switch {
	case !e.Type.Valid():
		return nil, errors.New("event: the type is not valid")
	case !ValidID(e.ID):
		return nil, fmt.Errorf("event: %s: the id is not valid", e.Type)
	case !validTime(e.Created):
		return nil, fmt.Errorf("event: %s: the time of creation is not valid", e.Type)
	case data == nil:
		return nil, fmt.Errorf("event: %s: there is no data", e.Type)
	}
	return data, nil
}

// encode appends v without the line feed that an Encoder ends with.
func encode(buf *bytes.Buffer, enc *json.Encoder, v any) error {
	if err := enc.Encode(v); err != nil {
		return err
	}
	buf.Truncate(buf.Len() - 1)
	return nil
}

// data returns the data in the form in which it is written, or nil if there is none.
func (e Event) data() any {
	if v := reflect.ValueOf(e.Data); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	switch data := e.Data.(type) {
	case json.RawMessage:
		if len(data) == 0 {
			return nil
		}
	case normalizer:
		return data.normalize(e.Created)
	}
	return e.Data
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
	data := e.data()
	if data == nil {
		return errors.New("event: there is no data")
	}
	raw, ok := data.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(data); err != nil {
			return fmt.Errorf("event: write data: %w", err)
		}
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("event: read data: %w", err)
	}
	return nil
}

// Data returns the data of e as a T. It fails if T is a [Payload] of another type
// of event, or if the data does not fit T.
//
//	doc, err := event.Data[event.DocumentCreated](e)
func Data[T any](e Event) (T, error) {
	var v T
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p, ok := reflect.TypeAssert[Payload](reflect.New(t)); ok && p.EventType() != e.Type {
		return v, fmt.Errorf("event: the data of %q is not that of %q", e.Type, p.EventType())
	}
	if data, ok := e.data().(T); ok {
		return data, nil
	}
	err := e.Decode(&v)
	return v, err
}
