package inbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

// head is what is stored of a message beside its body. As an object of JSON it can be looked
// at in the log.
type head struct {
	Inbox       int         `json:"inbox"` // layout, below: what else is in a store was not received
	ID          string      `json:"id"`
	Type        event.Type  `json:"type"`
	Created     time.Time   `json:"created"`
	ContentType string      `json:"contentType,omitempty"`
	Key         int         `json:"key,omitempty"`
	Header      http.Header `json:"header,omitempty"`

	// DataAt is where in the body the event's data is, from the first byte to that after the
	// last. Data is what is not there.
	DataAt *[2]int         `json:"dataAt,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`

	// One of these is the body, byte for byte: JSON, text, or neither.
	Body  json.RawMessage `json:"body,omitempty"`
	Text  *string         `json:"text,omitempty"`
	Bytes []byte          `json:"bytes,omitempty"`
}

const layout = 1

// harmless reports whether a header may be stored, by its name.
func harmless(name string) bool {
	name = strings.ToLower(name)
	return !slices.ContainsFunc([]string{"signature", "hmac", "token", "secret", "key", "auth", "cookie"}, func(word string) bool {
		return strings.Contains(name, word)
	})
}

// pack writes a message as it is stored.
func (in *Inbox) pack(m verifier.Message) (store.NewEvent, error) {
	header := m.Header.Clone()
	maps.DeleteFunc(header, func(name string, _ []string) bool { return !in.opts.KeepHeader(name) })
	m.Header = header
	return pack(m)
}

func pack(m verifier.Message) (store.NewEvent, error) {
	e := m.Event
	h := head{Inbox: layout, ID: e.ID, Type: e.Type, Created: e.Created.UTC(), ContentType: e.ContentType, Key: m.Key, Header: m.Header}
	data, err := json.Marshal(e.Data)
	if raw, ok := e.Data.(json.RawMessage); ok {
		data, err = raw, nil
	}
	if err != nil {
		return store.NewEvent{}, fmt.Errorf("inbox: write the event's data: %w", err)
	}
	if at := bytes.Index(m.Body, data); at >= 0 {
		h.DataAt = &[2]int{at, at + len(data)}
	} else {
		h.Data = data
	}
	raw := utf8.Valid(m.Body) && json.Valid(m.Body) && len(bytes.TrimSpace(m.Body)) == len(m.Body)
	switch text := string(m.Body); {
	case raw:
	case utf8.Valid(m.Body):
		h.Text = &text
	default:
		h.Bytes = m.Body
	}
	packed, err := json.Marshal(h)
	if err != nil {
		return store.NewEvent{}, fmt.Errorf("inbox: write the message: %w", err)
	}
	if raw { // An encoder would write it in another way.
		packed = append(append(append(packed[:len(packed)-1], `,"body":`...), m.Body...), '}')
		if !json.Valid(packed) { // The body is as deep as JSON may be.
			h.Bytes = m.Body
			if packed, err = json.Marshal(h); err != nil {
				return store.NewEvent{}, fmt.Errorf("inbox: write the message: %w", err)
			}
		}
	}
	out := store.NewEvent{ID: e.ID, Type: string(e.Type), Body: packed, Fingerprint: "inbox"}
	if !id.Valid(e.ID) {
		sum := sha256.Sum256([]byte(e.ID))
		out.ID = "evt_" + hex.EncodeToString(sum[:16])
	}
	// By a type that is longer, events cannot be found: it is cut for that.
	for len(out.Type) > event.MaxTypeLen || !utf8.ValidString(out.Type) {
		out.Type = out.Type[:len(out.Type)-1]
	}
	return out, nil
}

var errDamaged = errors.New("inbox: what is stored of the event is not what was written")

// unpack reads what pack has written.
func unpack(text []byte) (verifier.Message, error) {
	var h head
	if err := json.Unmarshal(text, &h); err != nil || h.Inbox != layout {
		return verifier.Message{}, errDamaged
	}
	m := verifier.Message{Header: h.Header, Body: h.Body, Key: h.Key}
	switch {
	case h.Text != nil:
		m.Body = []byte(*h.Text)
	case h.Bytes != nil:
		m.Body = h.Bytes
	}
	data := h.Data
	if at := h.DataAt; at != nil {
		if at[0] < 0 || at[0] > at[1] || at[1] > len(m.Body) {
			return verifier.Message{}, errDamaged
		}
		data = json.RawMessage(m.Body[at[0]:at[1]])
	}
	m.Event = event.Event{ID: h.ID, Type: h.Type, Created: h.Created, Data: data, Body: m.Body, ContentType: h.ContentType}
	return m, nil
}
