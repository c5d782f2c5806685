package receiver

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/webhook/event"
)

// Observer has functions that are told what happens, for metrics by type or traces.
// Each may be nil. Several goroutines may call them at once. A panic is logged.
type Observer struct {
	// Settled is told what became of a verified event, once for each request that
	// brought it, and again when its handler has ended if Options.Async is set.
	Settled func(ctx context.Context, i SettledInfo)
}

// SettledInfo is what became of an event.
type SettledInfo struct {
	Event   event.Event
	Outcome Outcome
	Took    time.Duration // of the handler; 0 if none ran
	Err     error         // of the handler
}

// Outcome is what became of an event. Each is counted in [Metrics], too.
type Outcome string

// A handler ran, or it did not, because the event came before, had the id of another
// one, had no handler, was over the limit, or could not be taken now.
const (
	Processed Outcome = "processed"
	Failed    Outcome = "failed"
	Duplicate Outcome = "duplicate"
	Conflict  Outcome = "conflict"
	Unknown   Outcome = "unknown"
	Limited   Outcome = "limited"
	Refused   Outcome = "refused"
)

// settle counts an event and tells the Observer.
func (r *Receiver) settle(ctx context.Context, i SettledInfo) {
	r.metrics.settled(i)
	if r.opts.Observer.Settled != nil {
		defer r.recovered(ctx, "Observer")
		r.opts.Observer.Settled(ctx, i)
	}
}
