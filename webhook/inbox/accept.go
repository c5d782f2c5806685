package inbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

const (
	// storeTimeout bounds the calls of the store for one event: Slack waits for 3 seconds.
	storeTimeout = 2500 * time.Millisecond
	// fullPause is the Retry-After of a full inbox.
	fullPause = time.Minute
	// nonce names the delivery of an event that had none when it came first.
	nonce = "inbox"
)

// ErrFull is the error of an event that finds as many waiting as may wait.
var ErrFull = errors.New("inbox: too many events wait")

// accept stores an event and puts it in the queue, both in one step. It may be called again
// for the same event, whatever came of the call before. What is refused since too many wait is
// stored, too, so for a second after that nothing is taken in.
func (s *source) accept(ctx context.Context, m verifier.Message) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if time.Now().UnixNano() < s.fullUntil.Load() {
		return receiver.RetryAfter(fullPause, ErrFull)
	}
	row, err := s.pack(m)
	if err != nil {
		return err
	}
	row.MaxPending = s.opts.MaxPending
	for range 2 {
		if err := s.ensure(ctx); err != nil {
			return fmt.Errorf("inbox: make the source: %w", err)
		}
		answers, err := s.store.Publish(ctx, s.name, []store.NewEvent{row})
		switch {
		case err != nil:
			return fmt.Errorf("inbox: store: %w", err)
		case len(answers) != 1:
			return errors.New("inbox: store: the store gave another number of answers")
		case answers[0].Conflict:
			return errors.New("inbox: the store has something else under the event's id")
		case slices.Contains(answers[0].Missed, s.webhookID):
			return s.full()
		}
		queued, err := s.queued(ctx, answers[0])
		if queued || err != nil {
			return err
		}
		if again, err := s.enqueue(ctx, row.ID); !again {
			return err
		}
	}
	return errors.New("inbox: somebody takes the source away")
}

// queued reports whether an event that was published has a delivery to the source. Of one that
// was published before, a store may name a delivery that is gone.
func (s *source) queued(ctx context.Context, p store.Published) (bool, error) {
	i := slices.IndexFunc(p.Deliveries, func(d store.PublishedDelivery) bool { return d.WebhookID == s.webhookID })
	if i < 0 || !p.Duplicate {
		return i >= 0, nil
	}
	_, err := s.store.Delivery(ctx, s.name, s.webhookID, p.Deliveries[i].ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil && !errors.Is(err, store.ErrDamaged):
		return false, fmt.Errorf("inbox: look for the event: %w", err)
	}
	return true, nil
}

// enqueue puts an event in the queue that is stored and not there: it came when the inbox was
// full, or an operator has disabled the source or taken it away.
func (s *source) enqueue(ctx context.Context, eventID string) (again bool, err error) {
	answers, err := s.store.Enqueue(ctx, s.name, s.webhookID, []string{eventID}, nonce, s.opts.MaxPending)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.there.Store(false)
		return true, nil
	case err != nil:
		return false, fmt.Errorf("inbox: put in the queue: %w", err)
	case len(answers) != 1:
		return false, errors.New("inbox: put in the queue: the store gave another number of answers")
	case answers[0].Crowded:
		return false, s.full()
	}
	return answers[0].DeliveryID == "" && !answers[0].Full, nil // Pruned since.
}

// ensure makes the webhook that stands for the source, unless it is there. Several calls at
// once are one too many, and do no harm: nobody waits for another's call of the store.
func (s *source) ensure(ctx context.Context) error {
	if s.there.Load() {
		return nil
	}
	_, err := s.store.CreateWebhook(ctx, s.name, store.Webhook{
		ID: s.webhookID, URL: webhook.HandedScheme + s.name, Events: []string{store.EveryType},
		Status: store.Active, Encoding: string(webhook.EncodingStandard), UpdatedBy: "inbox",
	}, 0)
	if errors.Is(err, store.ErrConflict) {
		err = s.restore(ctx)
	}
	s.there.Store(err == nil)
	return err
}

// restore sees to it that the webhook that is there is the source's, whatever was done to it.
func (s *source) restore(ctx context.Context) error {
	w, err := s.store.Webhook(ctx, s.name, s.webhookID)
	url := webhook.HandedScheme + s.name
	if err != nil || w.URL == url && slices.Equal(w.Events, []string{store.EveryType}) {
		return err
	}
	_, err = s.store.UpdateWebhook(ctx, s.name, s.webhookID, store.WebhookUpdate{By: "inbox", URL: &url, Events: []string{store.EveryType}})
	return err
}

// full says that too many events wait, now and for a second.
func (s *source) full() error {
	s.fullUntil.Store(time.Now().Add(time.Second).UnixNano())
	return receiver.RetryAfter(fullPause, ErrFull)
}
