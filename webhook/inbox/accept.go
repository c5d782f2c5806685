package inbox

import (
	"context"
	"errors"
	"fmt"
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
// for the same event, whatever came of the call before.
func (s *source) accept(ctx context.Context, m verifier.Message) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	row, err := pack(m)
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
		case len(answers[0].Deliveries) > 0:
			return nil
		case len(answers[0].Missed) > 0:
			return receiver.RetryAfter(fullPause, ErrFull)
		}
		if again, err := s.enqueue(ctx, row.ID); !again {
			return err
		}
	}
	return errors.New("inbox: somebody takes the source away")
}

// enqueue puts an event in the queue that is stored and not there: it came when the inbox was
// full, or an operator has disabled the source or taken it away.
func (s *source) enqueue(ctx context.Context, eventID string) (again bool, err error) {
	answers, err := s.store.Enqueue(ctx, s.name, s.webhookID, []string{eventID}, nonce, s.opts.MaxPending)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.forget()
		return true, nil
	case err != nil:
		return false, fmt.Errorf("inbox: put in the queue: %w", err)
	case len(answers) != 1:
		return false, errors.New("inbox: put in the queue: the store gave another number of answers")
	case answers[0].Crowded:
		return false, receiver.RetryAfter(fullPause, ErrFull)
	}
	return answers[0].DeliveryID == "" && !answers[0].Full, nil // Pruned since.
}

// ensure makes the webhook that stands for the source, unless it is there.
func (s *source) ensure(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.there {
		return nil
	}
	_, err := s.store.CreateWebhook(ctx, s.name, store.Webhook{
		ID: s.webhookID, URL: webhook.HandedScheme + s.name, Events: []string{store.EveryType},
		Status: store.Active, Encoding: string(webhook.EncodingStandard), UpdatedBy: "inbox",
	}, 0)
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	s.there = true
	return nil
}

func (s *source) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.there = false
}
