package inbox

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// busyPause is when a delivery comes back that could not be tried.
const busyPause = 10 * time.Second

// Delivery is what a handler can know of the delivery that it handles.
type Delivery struct {
	Source    string
	WebhookID string // of the source: see [Inbox.WebhookID]
	ID        string
	Attempt   int // from 1
}

// FromContext returns the delivery that a handler was called for. verifier.MessageFromContext
// has the message.
func FromContext(ctx context.Context) (Delivery, bool) {
	h, ok := ctx.Value(contextKey{}).(*handling)
	if !ok {
		return Delivery{}, false
	}
	return h.Delivery, true
}

type contextKey struct{}

// deliver calls the handler of an event that was stored.
func (in *Inbox) deliver(ctx context.Context, d webhook.Handed) webhook.Taken {
	s := in.source(d.MerchantID)
	if s == nil {
		in.opts.Receiver.Logger.LogAttrs(ctx, slog.LevelError, "webhook event waits for a process that has its source",
			slog.String("source", d.MerchantID), slog.String("event_id", d.EventID))
		return webhook.Taken{Back: true, After: time.Minute}
	}
	m, err := unpack(d.Body)
	if d.Test {
		err = errTest
	}
	if err != nil {
		return webhook.Taken{Status: http.StatusUnprocessableEntity, Final: true, Text: err.Error()}
	}
	h := &handling{source: s, event: m.Event, Delivery: Delivery{Source: s.name, WebhookID: d.WebhookID, ID: d.DeliveryID, Attempt: d.Number}}
	err = s.handlers.Process(context.WithValue(ctx, contextKey{}, h), m)
	after, later := receiver.Wait(err)
	switch {
	case err == nil:
		return webhook.Taken{Status: http.StatusOK}
	case receiver.IsRefused(err):
		return webhook.Taken{Back: true, After: busyPause}
	case receiver.IsNever(err):
		return webhook.Taken{Status: http.StatusUnprocessableEntity, Final: true, Text: err.Error()}
	case later:
		return webhook.Taken{Status: http.StatusServiceUnavailable, After: after, Text: err.Error()}
	}
	return webhook.Taken{Status: http.StatusInternalServerError, Text: err.Error()}
}

var errTest = errors.New("inbox: a test is not handled, for nobody has sent it")

// wrap commits what a handler has done in [Tx].
func (s *source) wrap(next receiver.HandlerFunc) receiver.HandlerFunc {
	return func(ctx context.Context, e event.Event) error {
		h, ok := ctx.Value(contextKey{}).(*handling)
		if !ok {
			return next(ctx, e)
		}
		h.begin = h.beginner(ctx)
		defer h.rollback()
		return h.commit(next(ctx, e))
	}
}
