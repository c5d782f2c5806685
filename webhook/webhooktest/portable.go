package webhooktest

import (
	"strings"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/shape"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
	"github.com/rag-assistant/webhooks/webhook/portable"
)

// RequirePortable ends the test as failed if a receiver in one of the languages of
// the integration guide could not verify an event with this payload under any
// payloadEncoding, or would read something else than was sent. It logs which
// receivers need another encoding than the standard one. With names and addresses of
// people in it, those in Python and PHP always do. Package portable says what can be
// amiss, and why.
//
// The payload is that of an event, as in [event.New] and [event.NewRaw], or a whole
// [event.Event], which needs neither id nor time. Use the hardest values that it may
// have: the empty map, the smallest fraction.
func RequirePortable(tb testing.TB, payload any) {
	tb.Helper()
	RequirePortableShape(tb, nil, payload)
}

// RequirePortableShape is [RequirePortable] for a catalog with this shape: it judges what is
// sent. Of a body that is no JSON, there is nothing to judge, for no receiver writes it again.
func RequirePortableShape(tb testing.TB, s event.Shape, payload any) {
	tb.Helper()
	e := newEvent(payload)
	body, err := e.MarshalJSON()
	if err != nil {
		tb.Fatalf("the payload cannot be published: %v", err)
	}
	if s != nil {
		sent, err := shaped(s, signer.Wire{}, e)
		if err != nil {
			tb.Fatalf("the payload cannot be published: %v", err)
		}
		if body = sent.Body; !shape.IsJSON(sent.ContentType) {
			return
		}
	}
	var faults, hints []string
	for _, issue := range portable.Check(body) {
		if issue.Severity == portable.NeedsEncoding {
			hints = append(hints, issue.String())
		} else {
			faults = append(faults, issue.String())
		}
	}
	if len(hints) > 0 {
		tb.Logf("not every receiver verifies the payload under the standard encoding:\n%s", strings.Join(hints, "\n"))
	}
	if len(faults) > 0 {
		tb.Fatalf("the payload is not portable:\n%s", strings.Join(faults, "\n"))
	}
}

// newEvent returns an event as long as one that a service has given an id.
func newEvent(payload any) event.Event {
	var e event.Event
	switch p := payload.(type) {
	case event.Event:
		e = p
	case event.Payload:
		e = event.New(p)
	default:
		e = event.NewRaw("webhooktest.payload", payload)
	}
	if e.ID == "" {
		e.ID = "evt_" + strings.Repeat("0", 32)
	}
	if e.Created.IsZero() {
		e.Created = time.Date(2025, 11, 4, 12, 34, 56, 0, time.UTC)
	}
	return e
}

// shaped is what a service sends of an event.
func shaped(s event.Shape, w signer.Wire, e event.Event) (event.Shaped, error) {
	plain, err := e.MarshalJSON()
	if err != nil {
		return event.Shaped{}, err
	}
	body, err := jcs.Canonicalize(plain)
	if err != nil {
		return event.Shaped{}, err
	}
	return shape.Make(s, vault.NewReserved(w), body)
}
