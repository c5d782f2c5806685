package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// Options are the optional settings of a [Receiver].
type Options struct {
	// Verifier decides what is let in: more secrets, whether the Standard Webhooks
	// headers are required, limits. Defaults to those of package verifier.
	Verifier verifier.Options

	// Seen remembers which events were processed, so that each is processed once,
	// however often it is sent. Use [memstore.New] for one process, and a store in
	// Redis for several. Defaults to nil: every delivery is processed.
	//
	// [memstore.New]: https://pkg.go.dev/github.com/rag-assistant/webhooks/store/memstore#New
	Seen store.Seen

	// Source is the host's name of the sender, such as "stripe". Log lines, the Observer
	// and [Metrics] have it. Defaults to none.
	Source string

	// Scope keeps receivers apart that share a Seen and each process the same
	// events. Defaults to "receiver".
	Scope string

	// Remember is how long Seen remembers an event. Make it longer than the sender
	// goes on trying, and longer than after which an event may be replayed. Defaults
	// to 8 days, since this module keeps events for 7, or longer: see [NewFor].
	Remember time.Duration

	// HandlerTimeout bounds a handler's context. A handler that does not return then
	// keeps the event for up to 30 seconds more, after which another process may
	// process it; one that [Receiver.Process] has called keeps it until it returns.
	// Defaults to 1 minute.
	HandlerTimeout time.Duration

	// Async acknowledges an event before it is processed. If the process then dies,
	// events that wait or are in work are lost. If a handler then fails, its event is
	// not sent again: see the package documentation. Defaults to false.
	Async bool

	// Workers is how many events are in work at once, and Queue how many may wait,
	// if Async is set. If the queue is full, an event is answered with 503, and the
	// sender sends it again later. They default to 16 and 1024.
	Workers, Queue int

	// MaxPerSecond is how many verified events are let in, on average over some
	// seconds. More are answered with 429 and Retry-After. Defaults to 0: any number.
	MaxPerSecond int

	// Accept, if set, takes every verified event over in place of its handler, and keeps it
	// until it calls [Receiver.Process]: see package inbox. If it fails, the request is
	// answered with 503 and Retry-After, of [RetryAfter] if the error is one. Several
	// goroutines may call it at once. Defaults to nil: handlers are called at once.
	Accept func(ctx context.Context, m verifier.Message) error

	// Wrap is put around every handler, within HandlerTimeout and Seen. Defaults to
	// nothing.
	Wrap func(HandlerFunc) HandlerFunc

	// OnError is called for each event whose handler failed, with its error or panic,
	// also if that was one of [Acknowledge]. Several goroutines may call it at once. If it panics, that
	// is logged. Defaults to nothing.
	OnError func(ctx context.Context, e event.Event, err error)

	// Observer is told what becomes of each event. Defaults to nothing.
	Observer Observer

	// Logger gets a line at warn for each failed event and each rejected request, with
	// the reason, a line at error for each fault of Seen, and one at debug for each
	// event that came before or is refused for now. Lines have the delivery's id, by
	// which it is found in the sender's log. No line holds a body or a secret. Defaults
	// to discarding them.
	Logger *slog.Logger

	// Now is the clock for MaxPerSecond and processing times. Defaults to [time.Now].
	Now func() time.Time
}

const defaultRemember = 8 * 24 * time.Hour

func (o Options) withDefaults() Options {
	if o.Scope == "" {
		o.Scope = "receiver"
	}
	if o.Remember == 0 {
		o.Remember = defaultRemember
	}
	if o.HandlerTimeout == 0 {
		o.HandlerTimeout = time.Minute
	}
	if o.Workers == 0 {
		o.Workers = 16
	}
	if o.Queue == 0 {
		o.Queue = 1024
	}
	if o.OnError == nil {
		o.OnError = func(context.Context, event.Event, error) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Source != "" {
		o.Logger = o.Logger.With(slog.String("source", o.Source))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options) validate() error {
	var bad []error
	for name, negative := range map[string]bool{
		"Remember": o.Remember < 0, "HandlerTimeout": o.HandlerTimeout < 0, "Workers": o.Workers < 0,
		"Queue": o.Queue < 0, "MaxPerSecond": o.MaxPerSecond < 0,
	} {
		if negative {
			bad = append(bad, fmt.Errorf("%s is negative", name))
		}
	}
	return errors.Join(bad...)
}

// Receiver is an [http.Handler] that verifies events and hands each to its handler
// in a [Mux]:
//
//	2xx  the event was processed, now or before; or there is no handler for it
//	4xx  the request was not verified: see [verifier.Verifier.Middleware]
//	400  the data is not that of the type
//	409  the id came before with other content
//	429  there are too many events: see [Options.MaxPerSecond]
//	500  the handler failed or panicked
//	503  the event is being processed, the queue is full, the Receiver is closed, or Seen is away;
//	     or the handler wants the event later: see [RetryAfter]
//
// All but the first make the sender try again. It is safe for concurrent use.
type Receiver struct {
	idHeader string // of the delivery; empty: there is none
	foreign  bool   // events are another sender's: see fingerprintOf
	mux      *Mux
	opts     Options
	verify   http.Handler
	bucket   bucket
	crew     crew
	metrics  metrics
}

// New returns a Receiver that accepts what was signed with secret, "whsec_…", and
// hands it to the handlers of mux. A nil o is the default. New fails, naming all that
// is wrong, if the secret or a pattern of mux is invalid, or an option is out of
// range. It starts nothing.
func New(secret string, mux *Mux, o *Options) (*Receiver, error) {
	return newReceiver(mux, o, func(rules *verifier.Options) (func(http.Handler) http.Handler, error) {
		v, err := verifier.New(secret, rules)
		return v.Middleware, err
	})
}

func newReceiver(mux *Mux, o *Options, verify func(*verifier.Options) (func(http.Handler) http.Handler, error)) (*Receiver, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts = opts.withDefaults()
	r := &Receiver{mux: mux, opts: opts, idHeader: opts.Verifier.Wire.WithDefaults().DeliveryID}
	rules := opts.Verifier
	rules.OnReject = r.rejecting(rules.OnReject)
	middleware, err := verify(&rules)
	if err := errors.Join(err, mux.check(), opts.validate()); err != nil {
		return nil, fmt.Errorf("receiver: new: %w", err)
	}
	r.verify = middleware(http.HandlerFunc(r.receive))
	r.bucket = bucket{rate: opts.MaxPerSecond}
	r.metrics.Source = opts.Source
	r.crew = crew{workers: opts.Workers, queue: opts.Queue}
	r.opts.Verifier = verifier.Options{} // It may hold secrets.
	return r, nil
}

// ServeHTTP answers one request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.verify.ServeHTTP(w, req) }

// Close lets no more events in, and waits until all acknowledged events are processed
// or ctx ends. Then it returns nil, or the error of ctx. It does not wait for
// requests: call [http.Server.Shutdown] first, which does.
func (r *Receiver) Close(ctx context.Context) error { return r.crew.close(ctx) }

// receive answers a request whose event is verified.
func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) {
	m, _ := verifier.MessageFromContext(req.Context())
	// A sender that hangs up will send the event again, so the handler goes on: by
	// then it is done.
	ctx := context.WithoutCancel(req.Context())
	j := r.newJob(m)
	r.metrics.count(&r.metrics.Received)
	if r.crew.isClosed() {
		r.refuseEvent(ctx, w, j, Refused, "closed")
		return
	}
	if wait := r.bucket.take(r.opts.Now()); wait > 0 {
		r.settle(ctx, SettledInfo{Event: j.Event, Outcome: Limited})
		r.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "webhook event over the limit", j.attrs()...)
		refuse(w, http.StatusTooManyRequests, wait, "too many events")
		return
	}
	if r.opts.Accept != nil {
		r.accept(ctx, w, j)
		return
	}
	if j.handler == nil { // Nothing is gained by sending it again.
		r.unknown(ctx, j)
		return
	}
	if !r.begin(ctx, w, j) {
		return
	}
	if r.opts.Async {
		if !r.crew.add(func() { r.processAcknowledged(ctx, j) }) {
			r.giveUp(ctx, j)
			r.refuseEvent(ctx, w, j, Refused, "busy")
		}
		return
	}
	err := errEnded
	defer func() { answer(w, err) }() // Also if the handler ends its goroutine.
	err = r.process(ctx, j)
}

// answer tells the sender what became of an event.
func answer(w http.ResponseWriter, err error) {
	switch wait, later := Wait(err); {
	case errors.Is(err, errAborted):
		panic(http.ErrAbortHandler)
	case later:
		refuse(w, http.StatusServiceUnavailable, wait, "the event was not processed")
	case IsNever(err):
	case errors.Is(err, errData):
		refuse(w, http.StatusBadRequest, 0, "the data is not that of the type")
	case err != nil:
		refuse(w, http.StatusInternalServerError, 0, "the event was not processed")
	}
}

// accept hands a message to Options.Accept, and answers.
func (r *Receiver) accept(ctx context.Context, w http.ResponseWriter, j *job) {
	m, _ := verifier.MessageFromContext(ctx)
	err := r.guard(ctx, "Accept", func() error { return r.opts.Accept(ctx, m) })
	if err == nil {
		r.settle(ctx, SettledInfo{Event: j.Event, Outcome: Accepted})
		return
	}
	r.settle(ctx, SettledInfo{Event: j.Event, Outcome: Refused, Err: err})
	r.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "webhook event not accepted", j.attrs(slog.Any("error", err))...)
	pause := busyPause
	if wait, ok := Wait(err); ok {
		pause = wait
	}
	refuse(w, http.StatusServiceUnavailable, pause, "unavailable")
}

// busyPause is the Retry-After of a 503.
const busyPause = 10 * time.Second

// job is an event on its way to its handler.
type job struct {
	event.Event

	tenant      string // of [NewForEach]
	scope       string // in Seen
	handler     HandlerFunc
	delivery    string // the sender's id of the delivery; not signed
	holder      string // of the lease in Seen; empty: there is no Seen
	fingerprint string
	queued      bool // by the host, who may have it processed again after Never
}

func (r *Receiver) newJob(m verifier.Message) *job {
	j := &job{Event: m.Event, tenant: m.Tenant, scope: r.opts.Scope, handler: r.mux.find(m.Event.Type), delivery: r.deliveryID(m.Header)}
	if m.Tenant != "" {
		j.scope += "/" + m.Tenant
	}
	return j
}

func (r *Receiver) unknown(ctx context.Context, j *job) {
	r.settle(ctx, SettledInfo{Event: j.Event, Outcome: Unknown})
	r.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "webhook event has no handler", j.attrs()...)
}

// attrs are on each line about the event.
func (j *job) attrs(more ...slog.Attr) []slog.Attr {
	if j.tenant != "" {
		more = append(more, slog.String("tenant", j.tenant))
	}
	return append([]slog.Attr{
		slog.String("event_id", j.ID), slog.String("event_type", string(j.Type)), idAttr(j.delivery),
	}, more...)
}

// idAttr is the attribute of a delivery's id, and none where the sender names none.
func idAttr(id string) slog.Attr {
	if id == "" {
		return slog.Attr{}
	}
	return slog.String("delivery_id", id)
}

// deliveryID returns the id by which a delivery is found in the sender's log, or as
// much of it as should be in a line.
func (r *Receiver) deliveryID(header http.Header) string {
	id := header.Get(r.idHeader)
	return id[:min(len(id), 64)]
}

// refuseEvent counts an event that cannot be taken now, and asks for it again later.
func (r *Receiver) refuseEvent(ctx context.Context, w http.ResponseWriter, j *job, o Outcome, why string) {
	r.settle(ctx, SettledInfo{Event: j.Event, Outcome: o})
	r.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "webhook event refused", j.attrs(slog.String("reason", why))...)
	refuse(w, http.StatusServiceUnavailable, busyPause, why)
}

// refuse answers in the form of package verifier.
func refuse(w http.ResponseWriter, status int, wait time.Duration, why string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	if wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"error":"`+why+`"}`)
}
