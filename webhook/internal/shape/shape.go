// Package shape makes what is sent of an event, and keeps it in the one text that stores
// have of it.
package shape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/token"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// JSON is the media type of what has no other.
const JSON = "application/json"

const maxHeaders = 16

// Make returns what f makes of a canonical event, checked and with its content type: it may
// set no header that is in own. F may be nil. It panics as f does.
func Make(f event.Shape, own vault.Reserved, canonical []byte) (event.Shaped, error) {
	if f == nil {
		return event.Shaped{Body: canonical, ContentType: JSON}, nil
	}
	e, err := event.Parse(canonical)
	if err != nil {
		return event.Shaped{}, err
	}
	out, err := f(e)
	if err != nil {
		return event.Shaped{}, err
	}
	if out.ContentType == "" {
		out.ContentType = JSON
	}
	return out, check(out, own)
}

// check says what f has made wrongly. It quotes nothing of a body.
func check(s event.Shaped, own vault.Reserved) error {
	switch {
	case len(s.Body) == 0:
		return errors.New("the body is empty")
	case len(s.Body) > jcs.MaxSize:
		return fmt.Errorf("the body is larger than %d bytes", jcs.MaxSize)
	case !utf8.Valid(s.Body):
		return errors.New("the body is not valid UTF-8")
	case len(s.Header) > maxHeaders:
		return fmt.Errorf("there are more than %d headers", maxHeaders)
	}
	if mediaType, _, err := mime.ParseMediaType(s.ContentType); err != nil || !strings.Contains(mediaType, "/") || !vault.ValidHeaderValue(s.ContentType) {
		return errors.New("the content type is not a media type")
	}
	if IsJSON(s.ContentType) && !json.Valid(s.Body) {
		return errors.New("the body is not JSON, as its content type says")
	}
	names := slices.Sorted(maps.Keys(s.Header))
	for i, name := range names {
		reason := own.Refuse(name).String()
		switch {
		case reason == "" && !vault.ValidHeaderValue(s.Header[name]):
			reason = string(vault.HeaderValueRule)
		case slices.ContainsFunc(names[:i], func(other string) bool { return vault.SameHeader(name, other) }):
			reason = "receivers cannot tell it from another one"
		}
		if reason != "" {
			return fmt.Errorf("header %q: %s", name, reason)
		}
	}
	return nil
}

// IsJSON reports whether a content type is JSON: application/json, or one that ends in +json.
func IsJSON(contentType string) bool {
	if contentType == JSON {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == JSON || strings.HasSuffix(mediaType, "+json"))
}

// A packed text is the body itself, if that is an object of JSON without headers. Otherwise
// it begins with a line for the content type, one for the length, and one for each header,
// as HTTP writes them but for the carriage returns, and an empty line.
const (
	typeLine   = "Content-Type: "
	lengthLine = "Content-Length: "
)

// Pack returns what Make has returned as one text. It may be the body.
func Pack(s event.Shaped) []byte {
	if s.ContentType == JSON && len(s.Header) == 0 && object(s.Body) {
		return s.Body
	}
	var b bytes.Buffer
	b.Grow(len(s.Body) + 256)
	b.WriteString(typeLine + s.ContentType + "\n" + lengthLine + strconv.Itoa(len(s.Body)) + "\n")
	for _, name := range slices.Sorted(maps.Keys(s.Header)) {
		b.WriteString(name + ": " + s.Header[name] + "\n")
	}
	b.WriteByte('\n')
	b.Write(s.Body)
	return b.Bytes()
}

// Unpack returns what was packed, and false if text may not be that, because it was cut off
// or overwritten. It looks at both ends of a body alone, so that it costs nothing. The body is
// a part of text.
func Unpack(text []byte) (s event.Shaped, ok bool) {
	if object(text) {
		return event.Shaped{Body: text, ContentType: JSON}, true
	}
	head, body, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok {
		return event.Shaped{}, false
	}
	lines := strings.Split(string(head), "\n")
	if len(lines) < 2 || len(lines) > 2+maxHeaders || lines[1] != lengthLine+strconv.Itoa(len(body)) {
		return event.Shaped{}, false
	}
	s.Body = body
	if s.ContentType, ok = strings.CutPrefix(lines[0], typeLine); !ok || !vault.ValidHeaderValue(s.ContentType) {
		return event.Shaped{}, false
	}
	for _, line := range lines[2:] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok || !token.Valid(name) || !vault.ValidHeaderValue(value) {
			return event.Shaped{}, false
		}
		if s.Header == nil {
			s.Header = make(map[string]string, len(lines)-2)
		}
		s.Header[name] = value
	}
	return s, true
}

// Size is the length of the body in a packed text.
func Size(text []byte) int {
	if s, ok := Unpack(text); ok {
		return len(s.Body)
	}
	return len(text)
}

// object reports whether a body may be an object of JSON.
func object(body []byte) bool {
	return len(body) > 1 && body[0] == '{' && body[len(body)-1] == '}'
}
