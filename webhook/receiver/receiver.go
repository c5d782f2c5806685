package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// Options are the optional settings of a [Receiver].
type Options struct {
	// Verifier are the rules for what is let in: more secrets, whether Standard
	// Webhooks headers are required, limits. Defaults to those of package verifier.
	Verifier verifier.Options

	// Seen remembers which events were processed, so that each is processed once,
	// however often it is sent: [memstore.New] for one process, a store in Redis for
	// all that share it. Defaults to nil: every delivery is processed.
	//
	// [memstore.New]: https://pkg.go.dev/github.com/rag-assistant/webhooks/store/memstore#New
	Seen store.Seen

	// Scope keeps receivers apart that share a Seen and each process the same
	// events. Defaults to "receiver".
	Scope string

	// Remember is for how long. Make it longer than the sender goes on trying, and
	// than you may be asked to take a replay. Defaults to 3 days.
	Remember time.Duration

	// HandlerTimeout is when a handler's context ends. Only some time after that may
	// the event be processed again. Defaults to 1 minute.
	HandlerTimeout time.Duration

	// Async acknowledges an event before it is processed. What is then still
	// waiting or in work is lost if the process dies, and what fails is not sent
	// again: see the package documentation. Defaults to false.
	Async bool

	// Workers is how many events are in work at once, and Queue how many may wait,
	// if Async is set. What finds the queue full is answered with 503 and sent again
	// later. They default to 16 and 1024.
	Workers, Queue int

	// MaxPerSecond is how many events are let in, on average over some seconds; the
	// rest is answered with 429 and Retry-After. It counts after the signature was
	// verified. Defaults to 0: any number.
	MaxPerSecond int

	// OnError is told of every event that was not processed, with the error or panic
	// of its handler. It may be called from several goroutines at once. Defaults to
	// nothing.
	OnError func(ctx context.Context, e event.Event, err error)

	// Logger gets a line for each failed event and each rejected request, with the
	// reason, at warn, and for each fault of Seen at error. Never a body or a secret. Defaults to discarding them.
	Logger *slog.Logger

	// Now is the clock for MaxPerSecond and processing times. Defaults to [time.Now].
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Scope == "" {
		o.Scope = "receiver"
	}
	if o.Remember == 0 {
		o.Remember = 3 * 24 * time.Hour
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
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options) validate() error {
	var bad []error
	for name, low := range map[string]bool{
		"Remember": o.Remember < 0, "HandlerTimeout": o.HandlerTimeout < 0, "Workers": o.Workers < 0,
		"Queue": o.Queue < 0, "MaxPerSecond": o.MaxPerSecond < 0,
	} {
		if low {
			bad = append(bad, fmt.Errorf("%s is negative", name))
		}
	}
	return errors.Join(bad...)
}

// Receiver is an [http.Handler] that verifies events and hands each to its handler
// in a [Mux]:
//
//	2xx  it was processed, now or before; or there is no handler for it
//	4xx  verification failed, as in [verifier.Verifier.Middleware]
//	400  its data is not that of its type
//	409  its id was there before with other content
//	429  there are too many: see [Options.MaxPerSecond]
//	500  its handler failed or panicked
//	503  it is being processed, the queue is full, the Receiver is closed, or Seen is away
//
// All but the first make the sender try again. It is safe for concurrent use.
type Receiver struct {
	mux     *Mux
	opts    Options
	verify  http.Handler
	bucket  bucket
	crew    crew
	metrics metrics
}

// New returns a Receiver of what secret has signed, "whsec_…", for the handlers of
// mux. A nil o is the default. It fails, naming all that is wrong, if the secret is
// none, a pattern of mux is none, or an option is out of range. It starts nothing.
func New(secret string, mux *Mux, o *Options) (*Receiver, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts = opts.withDefaults()
	r := &Receiver{mux: mux, opts: opts}
	rules := opts.Verifier
	rules.OnReject = func(req *http.Request, status int, reason error) {
		r.metrics.count(&r.metrics.Rejected)
		r.opts.Logger.LogAttrs(req.Context(), slog.LevelWarn, "webhook request rejected", slog.Int("status", status), slog.Any("reason", reason))
		if opts.Verifier.OnReject != nil {
			opts.Verifier.OnReject(req, status, reason)
		}
	}
	v, err := verifier.New(secret, &rules)
	if err := errors.Join(err, mux.check(), opts.validate()); err != nil {
		return nil, fmt.Errorf("receiver: new: %w", err)
	}
	r.verify = v.Middleware(http.HandlerFunc(r.receive))
	r.bucket = bucket{rate: opts.MaxPerSecond}
	r.crew = crew{workers: opts.Workers, queue: opts.Queue}
	r.opts.Verifier = verifier.Options{} // It may hold secrets.
	return r, nil
}

// ServeHTTP answers one request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.verify.ServeHTTP(w, req) }

// Close lets no more events in, waits until those that were acknowledged are
// processed, and returns nil; or returns the error of ctx when that ends before.
// It does not wait for requests, which is what [http.Server.Shutdown] does: call
// that first.
func (r *Receiver) Close(ctx context.Context) error { return r.crew.close(ctx) }

// receive answers a request whose event is verified.
func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) {
	e, _ := verifier.FromContext(req.Context())
	r.metrics.count(&r.metrics.Received)
	if r.crew.isClosed() {
		r.metrics.count(&r.metrics.Refused)
		refuse(w, http.StatusServiceUnavailable, busyPause, "closed")
		return
	}
	if wait := r.bucket.take(r.opts.Now()); wait > 0 {
		r.metrics.count(&r.metrics.Limited)
		refuse(w, http.StatusTooManyRequests, wait, "too many events")
		return
	}
	h := r.mux.find(e.Type)
	if h == nil { // Nothing is gained by sending it again.
		r.metrics.count(&r.metrics.Unknown)
		r.opts.Logger.InfoContext(req.Context(), "webhook event has no handler", slog.String("event_type", string(e.Type)))
		return
	}
	// A sender that has hung up does not end what was begun: it will send again, and
	// then it is done.
	ctx := context.WithoutCancel(req.Context())
	j := &job{Event: e, handler: h}
	if !r.begin(ctx, w, j) {
		return
	}
	if r.opts.Async {
		if !r.crew.add(func() { r.later(ctx, j) }) {
			r.giveUp(ctx, j)
			r.metrics.count(&r.metrics.Refused)
			refuse(w, http.StatusServiceUnavailable, busyPause, "busy")
		}
		return
	}
	switch err := r.process(ctx, j); {
	case errors.Is(err, errData):
		refuse(w, http.StatusBadRequest, 0, "the data is not that of the type")
	case err != nil:
		refuse(w, http.StatusInternalServerError, 0, "the event was not processed")
	}
}

// busyPause is how long a sender is asked to wait for what may be over soon.
const busyPause = 10 * time.Second

// job is an event on its way to its handler.
type job struct {
	event.Event

	handler HandlerFunc
	holder  string // of its id in Seen; empty: nobody asked
	print   string
}

// process runs the handler and remembers what became of it.
func (r *Receiver) process(ctx context.Context, j *job) error {
	began := r.opts.Now()
	err := r.handle(ctx, j)
	r.metrics.processed(r.opts.Now().Sub(began), err)
	if err != nil {
		r.giveUp(ctx, j)
		r.opts.Logger.WarnContext(ctx, "webhook event not processed", slog.String("event_id", j.ID),
			slog.String("event_type", string(j.Type)), slog.Any("error", err))
		r.opts.OnError(ctx, j.Event, err)
		return err
	}
	r.commit(ctx, j)
	return nil
}

// handle turns a panic into an error.
func (r *Receiver) handle(ctx context.Context, j *job) (err error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.HandlerTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("receiver: the handler of %s panicked: %v", j.Type, p)
			r.opts.Logger.ErrorContext(ctx, "webhook handler panicked", slog.String("event_type", string(j.Type)),
				slog.String("stack", string(debug.Stack())))
		}
	}()
	return j.handler(ctx, j.Event)
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
