package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/rag-assistant/webhooks/verifier"
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
	err = s.call(context.WithValue(ctx, contextKey{}, h), m)
	after, later := receiver.Wait(err)
	switch {
	case errors.Is(err, errLeftBehind):
		return webhook.Taken{Back: true, After: busyPause}
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

var (
	errTest       = errors.New("inbox: a test is not handled, for nobody has sent it")
	errLeftBehind = errors.New("inbox: the handler does not return")
)

// call is Process in a goroutine of its own, which a handler may end with runtime.Goexit, and
// which is left behind if a handler does not let the process stop.
func (s *source) call(ctx context.Context, m verifier.Message) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("inbox: the handler ended its goroutine")
		defer func() {
			if p := recover(); p != nil { // Of the store, or of an option.
				err = fmt.Errorf("inbox: panic: %v", p)
			}
			done <- err
		}()
		err = s.handlers.Process(ctx, m)
	}()
	select {
	case err := <-done:
		return err
	case <-s.isStopped():
		return errLeftBehind
	}
}

func (in *Inbox) isStopped() <-chan struct{} {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.stopped
}

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
