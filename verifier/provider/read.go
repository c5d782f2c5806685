package provider

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/rag-assistant/webhooks/webhook/event"
)

// content is what a body holds.
type content struct {
	text    json.RawMessage
	members map[string]json.RawMessage // nil: it is no object
}

// read returns the event in a request that verified.
func (v *Verifier) read(r *request) (event.Event, error) {
	c, err := v.content(r)
	if err != nil {
		return event.Event{}, err
	}
	e := event.Event{ID: r.id, Data: c.text, Body: r.body, ContentType: r.header.Get("Content-Type")}
	if data, ok := c.members[v.scheme.Data]; ok && v.scheme.Data != "" {
		e.Data = data
	}
	if !v.signs("id") {
		if e.ID, err = v.text(r, c, v.scheme.ID); err != nil {
			return event.Event{}, err
		}
		if e.ID == "" {
			e.ID = v.digest(r)
		}
	}
	name, err := v.text(r, c, v.scheme.Type)
	if err != nil {
		return event.Event{}, err
	}
	e.Type = event.Type(name)
	if name == "" {
		e.Type = v.scheme.Untyped
	}
	if !event.ValidID(e.ID) || !event.ValidID(string(e.Type)) {
		return event.Event{}, fmt.Errorf("%w: id or type is missing, or not 1 to 255 bytes without control characters", event.ErrMalformed)
	}
	e.Created = v.now().UTC()
	if !r.at.IsZero() {
		e.Created = r.at
	}
	if text, err := v.text(r, c, v.scheme.Created); err == nil {
		if at, ok := parseTime(text); ok {
			e.Created = at
		}
	}
	return e, nil
}

// content returns the body's JSON, or that in a form, or that of a form's fields.
func (v *Verifier) content(r *request) (content, error) {
	if !r.isForm {
		return parse(r.body)
	}
	// What the body is says a header that is not signed. A form that looks like JSON is some,
	// in which a stranger could have hidden the fields of a form.
	if text := bytes.TrimLeft(r.body, " \t\r\n"); len(text) > 0 && strings.ContainsRune(`{["`, rune(text[0])) {
		return content{}, fmt.Errorf("%w: the body is not a form", event.ErrMalformed)
	}
	form := r.form
	if form == nil {
		var err error
		if form, err = url.ParseQuery(string(r.body)); err != nil {
			return content{}, fmt.Errorf("%w: the form is malformed", event.ErrMalformed)
		}
	}
	switch payload := form[v.scheme.Payload]; {
	case v.scheme.Payload == "" || len(payload) == 0:
		text, err := fieldsOf(form)
		if err != nil {
			return content{}, fmt.Errorf("%w: %w", event.ErrMalformed, err)
		}
		return parse(text)
	case len(payload) > 1:
		return content{}, fmt.Errorf("%w: %s of the form comes twice", event.ErrMalformed, v.scheme.Payload)
	default:
		return parse([]byte(payload[0]))
	}
}

// parse reads JSON. Of two members with one name the last counts, as for encoding/json.
func parse(text []byte) (content, error) {
	c := content{text: text}
	err := json.Unmarshal(text, &c.members)
	var other *json.UnmarshalTypeError // JSON, and no object.
	if err != nil && !errors.As(err, &other) {
		return content{}, fmt.Errorf("%w: the body is not JSON", event.ErrMalformed)
	}
	return c, nil
}

// fieldsOf returns a form as a JSON object. A field that comes several times is an array.
func fieldsOf(form url.Values) ([]byte, error) {
	fields := make(map[string]any, len(form))
	for name, values := range form {
		fields[name] = values
		if len(values) == 1 {
			fields[name] = values[0]
		}
	}
	return json.Marshal(fields)
}

// text returns the first of fields that is there, or "".
func (v *Verifier) text(r *request, c content, fields []Field) (string, error) {
	for _, f := range fields {
		if f.Header == "" {
			if text := c.member(f.Member); text != "" {
				return text, nil
			}
			continue
		}
		switch entries := v.scheme.entries(r.header, f); {
		case len(entries) > 1:
			return "", fmt.Errorf("%w: %s comes %d times", event.ErrMalformed, f.Header, len(entries))
		case len(entries) == 1 && entries[0] != "":
			return entries[0], nil
		}
	}
	return "", nil
}

// member returns the string or number at a path of names, or "".
func (c content) member(path string) string {
	members := c.members
	for {
		name, rest, deeper := strings.Cut(path, ".")
		raw := members[name]
		if !deeper {
			return textOf(raw)
		}
		members, path = nil, rest
		if json.Unmarshal(raw, &members) != nil {
			return ""
		}
	}
}

func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var number json.Number
	_ = json.Unmarshal(raw, &number)
	return number.String()
}

// digest returns an id for an event whose sender gives it none: the same for the same
// content.
func (v *Verifier) digest(r *request) string {
	h := sha256.New()
	h.Write([]byte(v.scheme.Name + "\n"))
	if r.form != nil {
		h.Write([]byte(r.fields))
	} else {
		h.Write(r.body)
	}
	return "evt_" + hex.EncodeToString(h.Sum(nil))
}
