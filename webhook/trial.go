package webhook

import (
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
)

// trial is a test as it is sent.
type trial struct {
	message   string
	sample    event.Event    // in place of a webhook.test, unless its type is empty
	encodings []jcs.Encoding // one after the other
	forged    bool           // signed with a key that the receiver does not have
}

// newTest returns a test event in the encoding that it is sent in.
func newTest(s shaper, eventID string, at time.Time, webhookID string, t trial) (store.NewEvent, error) {
	e := t.sample
	if e.Type == "" {
		e = event.New(event.WebhookTest{Message: t.message, WebhookID: webhookID})
	}
	e.ID, e.Created = eventID, at
	body, err := canonical(e)
	if err != nil {
		return store.NewEvent{}, err
	}
	text, err := s.text(body, t.encodings...)
	if err != nil {
		return store.NewEvent{}, err
	}
	return store.NewEvent{ID: e.ID, Type: string(e.Type), Body: text, Test: webhookID, Forged: t.forged}, nil
}

// check tries the shape on a test event, which each kind of test needs.
func (s shaper) check() error {
	if s.shape == nil {
		return nil
	}
	if _, err := newTest(s, "evt_test_0", time.Unix(0, 0), "whk_0", trial{message: probeMessage}); err != nil {
		return fmt.Errorf("the catalog's shape refuses a test event: %w", err)
	}
	return nil
}

const probeMessage = "Déjà vu? <This> & that are signed ✓"
