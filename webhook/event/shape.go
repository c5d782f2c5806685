package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Shape turns an event into what is sent of it. A service calls it once, when the event is
// published or sent as a test, and keeps what it returns: every attempt, redelivery and
// replay sends the same. [Catalog.WithShape] says where it applies.
//
// The event has an ID, a Type and a time of creation in UTC and whole seconds. Its Data is
// a [json.RawMessage] in the form of RFC 8785. Test events come too, of type webhook.test
// and with a [WebhookTest] as their data.
//
// A Shape must be pure: its answer depends on the event alone, because an event that is
// published again is stored once, in the shape of the first time. Several goroutines may
// call it at once. If it fails or panics, the event is refused. Whoever publishes sees the
// error, so it should quote no data.
type Shape func(Event) (Shaped, error)

// Shaped is a message as it is sent. Nothing in it is a secret: a service stores it as it
// is, and shows it in its log.
type Shaped struct {
	// Body is 1 to 262,144 bytes of UTF-8. It is signed and sent byte for byte, unless a
	// webhook has another payload encoding than the standard one, which is for JSON only.
	Body []byte

	// ContentType is the media type of Body. What says that it is JSON must be JSON. Defaults
	// to application/json.
	ContentType string

	// Header has up to 16 more headers by name. They cannot be those that the sender, HTTP
	// or what is between sender and receiver uses. A value is 1 to 1,024 visible characters
	// of ASCII, with spaces and tabs only between them. They take the place of headers of the
	// same name that a webhook or [RequestHeaders] has. They are not signed. Defaults to none.
	//
	// [RequestHeaders]: https://pkg.go.dev/github.com/rag-assistant/webhooks/webhook#DispatcherOptions
	Header map[string]string
}

// StandardShape writes the payload that Standard Webhooks recommends: an object with type,
// timestamp and data. The event's id is in the header webhook-id alone. It is a [Shape].
func StandardShape(e Event) (Shaped, error) {
	body, err := object(e, "timestamp", stampOf(e), "type", string(e.Type))
	return Shaped{Body: body}, err
}

const (
	cloudVersion   = "1.0"
	cloudType      = "application/cloudevents+json"
	cloudData      = "application/json"
	badSource      = "event: the source of a CloudEvent must be a URI reference in ASCII, such as https://example.com/shops"
	notInReference = "\"<>\\^`{|}"
)

// CloudEvents returns a Shape that writes a CloudEvent 1.0 in structured mode: one object of
// content type application/cloudevents+json. Source says who sends, as a URI reference such
// as https://example.com/shops. With another one, the Shape refuses every event.
func CloudEvents(source string) Shape {
	return func(e Event) (Shaped, error) {
		if !validSource(source) {
			return Shaped{}, errors.New(badSource)
		}
		body, err := object(e, "datacontenttype", cloudData, "id", e.ID, "source", source,
			"specversion", cloudVersion, "time", stampOf(e), "type", string(e.Type))
		return Shaped{Body: body, ContentType: cloudType}, err
	}
}

// CloudEventsBinary is [CloudEvents] in binary mode: the body is the data alone, and all
// else is in headers, ce-id, ce-source, ce-specversion, ce-time and ce-type. No signature
// covers them. Only webhook-id, which is the same as ce-id, is signed.
func CloudEventsBinary(source string) Shape {
	return func(e Event) (Shaped, error) {
		if !validSource(source) {
			return Shaped{}, errors.New(badSource)
		}
		body, err := dataOf(e)
		return Shaped{Body: body, ContentType: cloudData, Header: map[string]string{
			"ce-id":          percent(e.ID),
			"ce-source":      percent(source),
			"ce-specversion": cloudVersion,
			"ce-time":        stampOf(e),
			"ce-type":        percent(string(e.Type)),
		}}, err
	}
}

// object writes an object of data, and after it members of pairs of name and text. By their
// names they are in the order of RFC 8785.
func object(e Event, pairs ...string) ([]byte, error) {
	data, err := dataOf(e)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	buf.Grow(len(data) + 256)
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	buf.WriteString(`{"data":`)
	buf.Write(data)
	for pair := range slices.Chunk(pairs, 2) {
		buf.WriteString(`,"` + pair[0] + `":`)
		if err := encode(&buf, enc, pair[1]); err != nil {
			return nil, fmt.Errorf("event: %s: %s: %w", e.Type, pair[0], err)
		}
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil
}

// dataOf writes the data of a valid event alone. JSON stays as it is, but for spaces.
func dataOf(e Event) ([]byte, error) {
	data, err := e.valid()
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if raw, ok := data.(json.RawMessage); ok { // An encoder may write U+2028 in it in another way.
		err = json.Compact(&buf, raw)
	} else {
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		err = encode(&buf, enc, data)
	}
	if err != nil {
		return nil, fmt.Errorf("event: %s: data: %w", e.Type, err)
	}
	return buf.Bytes(), nil
}

func stampOf(e Event) string { return e.Created.UTC().Format(time.RFC3339) }

func validSource(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(notInReference, s[i]) >= 0 {
			return false
		}
	}
	_, err := url.Parse(s)
	return s != "" && err == nil
}

// percent writes a value as a header has it: section 3.1.3.2 of the HTTP protocol binding
// of CloudEvents.
func percent(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '%' {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
