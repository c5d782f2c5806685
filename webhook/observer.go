package webhook

import (
	"context"
	"time"
)

// Observer holds callbacks for metrics and traces. Any of them may be nil. They are
// called from many goroutines at once and must be quick. A panic in one is contained.
// Package otelwebhook has one for OpenTelemetry.
type Observer struct {
	// Publishing is called before events are stored. What follows, Trace and
	// Published included, has the context that it returns. The func that it returns,
	// unless nil, is called once, with how storing them ended; nil is not an error.
	Publishing func(context.Context, PublishingInfo) (context.Context, func(error))

	// Trace returns what is to be stored with events that are being published, and
	// comes back as AttemptInfo.Trace with each of their attempts, in whatever
	// process, such as the context of a trace. More than [MaxTrace] bytes are not
	// kept. A repeated event keeps that of the first time.
	Trace func(context.Context) string

	// Published is called after an event was stored, or found stored before. It is not
	// called for a [Publication] that is Deferred, whose deliveries are yet to be made.
	Published func(context.Context, PublishedInfo)

	// Attempting is called before each try of a delivery. The transport,
	// RequestHeaders and Attempted have the context that it returns. The func that it
	// returns, unless nil, is called once when the try has ended, whatever happens.
	// A try that a stop has cut short then has neither status nor code.
	Attempting func(context.Context, AttemptInfo) (context.Context, func(AttemptInfo))

	// Attempted is called after each try of a delivery that was not cut short,
	// before its result is stored.
	Attempted func(context.Context, AttemptInfo)

	// Settled is called after the store has accepted a result.
	Settled func(context.Context, SettledInfo)

	// Trouble is called when something of a dispatcher's own begins to fail, and when
	// that is over: see [TroubleInfo]. It is where an operator is told.
	Trouble func(context.Context, TroubleInfo)
}

// TroubleInfo describes a trouble of a dispatcher. [Dispatcher.Health] lists those that
// last.
type TroubleInfo struct {
	// In is what fails: a call of the store, such as "claim" or "finish", or
	//
	//   - "way to endpoints": many endpoints at once cannot be reached, for a reason that
	//     is on this side. Deliveries wait, and nothing is counted.
	//   - "clock": this machine's clock is more than a minute off the store's. A 401 or
	//     403 does not count meanwhile.
	//   - "job …", with its kind: a step of a job of the host's, see
	//     [DispatcherOptions].Jobs.
	//   - "sockets": this process has no descriptors or ports left, and makes fewer
	//     attempts at once.
	In    string
	Since time.Time // when it began
	Err   error     // nil: it is over
}

// MaxTrace is the length of the longest [Observer].Trace that is kept, in bytes.
const MaxTrace = 1024

// PublishingInfo describes events that are about to be stored.
type PublishingInfo struct {
	MerchantID string
	Events     int
	EventType  string // of all of them, empty if they differ
	EventID    string // if it is one
	Bytes      int    // of their canonical bodies
	Test       bool
}

// PublishedInfo describes a published event.
type PublishedInfo struct {
	MerchantID string
	EventID    string
	EventType  string
	Deliveries int
	Missed     int // webhooks that got none, because of [Limits].Pending
	Duplicate  bool
	Bytes      int
}

// AttemptInfo describes one try.
type AttemptInfo struct {
	MerchantID string
	WebhookID  string
	DeliveryID string
	EventID    string
	EventType  string
	Test       bool
	Trace      string // what [Observer].Trace returned when the event was published
	Number     int    // from 1
	Duration   time.Duration
	StatusCode int  // 0: no answer
	Code       Code // why it failed; empty on success

	// Cause is the text of the error behind the Code, for operators only: it may name
	// addresses of your network. Empty if there is no more to say, or if it would
	// quote what the endpoint sent.
	Cause string
}

// SettledInfo describes what a try led to.
type SettledInfo struct {
	AttemptInfo
	Status   DeliveryStatus // pending: it will be tried again
	RetryIn  time.Duration  // while pending
	Disabled bool           // it disabled the webhook
}

// publishing returns the context to go on with, and never a nil func.
func (o *Observer) publishing(ctx context.Context, i PublishingInfo) (context.Context, func(error)) {
	if o.Publishing == nil {
		return ctx, func(error) {}
	}
	next, end := begin(ctx, i, o.Publishing)
	return next, func(err error) {
		if end != nil {
			defer contain()
			end(err)
		}
	}
}

func (o *Observer) trace(ctx context.Context) (trace string) {
	if o.Trace != nil {
		defer contain()
		trace = o.Trace(ctx)
	}
	if len(trace) > MaxTrace {
		trace = ""
	}
	return trace
}

func (o *Observer) published(ctx context.Context, i PublishedInfo) {
	if o.Published != nil {
		defer contain()
		o.Published(ctx, i)
	}
}

// attempting returns the context to go on with, and never a nil func.
func (o *Observer) attempting(ctx context.Context, i AttemptInfo) (context.Context, func(AttemptInfo)) {
	if o.Attempting == nil {
		return ctx, func(AttemptInfo) {}
	}
	next, end := begin(ctx, i, o.Attempting)
	return next, func(i AttemptInfo) {
		if end != nil {
			defer contain()
			end(i)
		}
	}
}

// begin calls a callback that may return another context. If the callback panics or
// returns none, the context stays.
func begin[I, E any](ctx context.Context, i I, f func(context.Context, I) (context.Context, func(E))) (next context.Context, end func(E)) {
	next = ctx
	defer contain()
	other, end := f(ctx, i)
	if other != nil {
		next = other
	}
	return next, end
}

func (o *Observer) attempted(ctx context.Context, i AttemptInfo) {
	if o.Attempted != nil {
		defer contain()
		o.Attempted(ctx, i)
	}
}

func (o *Observer) settled(ctx context.Context, i SettledInfo) {
	if o.Settled != nil {
		defer contain()
		o.Settled(ctx, i)
	}
}

func (o *Observer) trouble(ctx context.Context, i TroubleInfo) {
	if o.Trouble != nil {
		defer contain()
		o.Trouble(ctx, i)
	}
}

// contain keeps a panic of a callback from ending the process: an observer must
// not cost a delivery.
func contain() { _ = recover() }
