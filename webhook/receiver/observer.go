package receiver

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/rag-assistant/webhooks/webhook/event"
)

// Observer has functions that are told what happens, for metrics by type or traces.
// Each may be nil. Several goroutines may call them at once. A panic is logged.
type Observer struct {
	// Handling is called before each call of a handler, which has the context that it
	// returns. The func that it returns, unless nil, is called once with what became of
	// the event, after Settled. ctx is that of the request or of [Receiver.Process], and
	// MessageFromContext of package verifier finds the headers in it.
	Handling func(ctx context.Context, i HandlingInfo) (context.Context, func(SettledInfo))

	// Settled is told what became of a verified event, once for each request that brought
	// it and once for each [Receiver.Process]. With Options.Accept a request is told as
	// [Accepted]; one that Options.Async has acknowledged is told when its handler has ended.
	Settled func(ctx context.Context, i SettledInfo)

	// Rejected is told of each request that is no verified event, before Options.Verifier.OnReject.
	Rejected func(ctx context.Context, i RejectedInfo)
}

// HandlingInfo is an event that is about to be handled.
type HandlingInfo struct {
	Source string // see [Options]
	Event  event.Event
}

// RejectedInfo is a request that is no verified event.
type RejectedInfo struct {
	Source string // see [Options]
	Status int    // of the answer
	Err    error  // the reason, as package verifier names it
}

// SettledInfo is what became of an event.
type SettledInfo struct {
	Source  string // see [Options]
	Event   event.Event
	Outcome Outcome
	Took    time.Duration // of the handler; 0 if none ran
	Err     error         // of the handler
}

// Outcome is what became of an event. Each is counted in [Metrics], too.
type Outcome string

// A handler ran, or it did not, because the event came before, had the id of another
// one, had no handler, was over the limit, or could not be taken now; or Options.Accept took it.
const (
	Processed Outcome = "processed"
	Failed    Outcome = "failed"
	Duplicate Outcome = "duplicate"
	Conflict  Outcome = "conflict"
	Unknown   Outcome = "unknown"
	Limited   Outcome = "limited"
	Refused   Outcome = "refused"
	Accepted  Outcome = "accepted"
)

// handling returns the context to go on with, and never a nil func. If the callback panics or
// returns no context, that stays.
func (r *Receiver) handling(ctx context.Context, j *job) (next context.Context, ended func(SettledInfo)) {
	next, ended = ctx, func(SettledInfo) {}
	if r.opts.Observer.Handling == nil {
		return next, ended
	}
	defer r.recovered(ctx, "Observer")
	other, end := r.opts.Observer.Handling(ctx, HandlingInfo{Source: r.opts.Source, Event: j.Event})
	if other != nil {
		next = other
	}
	if end != nil {
		ended = func(i SettledInfo) {
			defer r.recovered(ctx, "Observer")
			i.Source = r.opts.Source
			end(i)
		}
	}
	return next, ended
}

// settle counts an event and tells the Observer.
func (r *Receiver) settle(ctx context.Context, i SettledInfo) {
	i.Source = r.opts.Source
	r.metrics.settled(i)
	if r.opts.Observer.Settled != nil {
		defer r.recovered(ctx, "Observer")
		r.opts.Observer.Settled(ctx, i)
	}
}

// rejecting returns what counts and logs a rejected request, and tells the Observer and then
// the host's own OnReject, which may be nil.
func (r *Receiver) rejecting(onReject func(*http.Request, int, error)) func(*http.Request, int, error) {
	return func(req *http.Request, status int, reason error) {
		ctx := req.Context()
		r.metrics.count(&r.metrics.Rejected)
		r.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "webhook request rejected", slog.Int("status", status),
			slog.Any("reason", reason), idAttr(r.deliveryID(req.Header)))
		if r.opts.Observer.Rejected != nil {
			func() {
				defer r.recovered(ctx, "Observer")
				r.opts.Observer.Rejected(ctx, RejectedInfo{Source: r.opts.Source, Status: status, Err: reason})
			}()
		}
		if onReject != nil {
			defer r.recovered(ctx, "OnReject")
			onReject(req, status, reason)
		}
	}
}
