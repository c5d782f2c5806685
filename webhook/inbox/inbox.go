package inbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// Options are the optional settings of an [Inbox].
type Options struct {
	// Retry says when a handler that failed is called again, and how often. Defaults to
	// [retry.Days]: eight calls over some 28 hours.
	Retry retry.Policy

	// HandlerTimeout bounds the context of a handler. If a process dies in a handler, the
	// event is handled by another one within three times as long, and a minute at least.
	// Processes that share the store should agree on it. Defaults to 1 minute.
	HandlerTimeout time.Duration

	// Concurrency is how many handlers run at once in this process. Sources whose handlers
	// take a second or more share half of them. Defaults to 64.
	Concurrency int

	// PerSource is how many handlers of one source run at once, over all processes, which
	// should agree on it. Defaults to 16.
	PerSource int

	// MaxPending is how many events of one source may wait. A sender is answered with 503
	// beyond that. Defaults to 100,000.
	MaxPending int

	// Keep is how long events are kept after they have come, and their handling after it has
	// ended, and for how long a repeat is known as one. Make it longer than a sender may
	// repeat an event; of one whose verifier has Repeats, repeats are known for as long as that
	// says, too. Defaults to 8 days.
	Keep time.Duration

	// KeepHeader says which headers of a request are stored with its body, by their canonical
	// names. Defaults to all whose name has none of signature, hmac, token, secret, key, auth
	// and cookie in it.
	KeepHeader func(name string) bool

	// Receiver has what is asked of every source: limits and OnReject of its Verifier,
	// MaxPerSecond, OnError, Observer, Logger. All else of it is the inbox's.
	Receiver receiver.Options

	// Engine is told of every attempt, as the dispatcher of package webhook tells it.
	// Defaults to nobody.
	Engine webhook.Observer
}

func (o Options) withDefaults() Options {
	if o.Retry.MaxAttempts == 0 && len(o.Retry.Delays) == 0 {
		o.Retry = retry.Days()
	}
	o.HandlerTimeout = cmp.Or(o.HandlerTimeout, time.Minute)
	o.Concurrency = cmp.Or(o.Concurrency, 64)
	o.PerSource = cmp.Or(o.PerSource, 16)
	o.MaxPending = cmp.Or(o.MaxPending, 100_000)
	o.Keep = cmp.Or(o.Keep, 8*24*time.Hour)
	if o.KeepHeader == nil {
		o.KeepHeader = harmless
	}
	if o.Receiver.Logger == nil {
		o.Receiver.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	var bad []error
	if o.MaxPending < 0 {
		bad = append(bad, errors.New("MaxPending is negative"))
	}
	if o.Keep < time.Hour {
		bad = append(bad, fmt.Errorf("a Keep of %s is shorter than an hour", o.Keep))
	}
	if r := o.Receiver; r.Async || r.Seen != nil || r.Accept != nil || r.Wrap != nil ||
		r.Scope != "" || r.Source != "" || r.Remember != 0 || r.HandlerTimeout != 0 {
		bad = append(bad, errors.New("of Receiver, Async, Seen, Scope, Remember, Source, HandlerTimeout, Accept and Wrap are the inbox's"))
	}
	return errors.Join(bad...)
}

// Inbox takes events of senders in and has them handled. It is safe for concurrent use.
type Inbox struct {
	store      store.Store
	mux        *receiver.Mux
	opts       Options
	service    *webhook.Service
	dispatcher *webhook.Dispatcher
	ran        atomic.Bool // Run was called

	mu      sync.RWMutex
	sources map[string]*source
}

// source is somebody who sends.
type source struct {
	*Inbox

	name      string
	webhookID string
	handlers  *receiver.Receiver

	there     atomic.Bool  // the webhook exists
	fullUntil atomic.Int64 // nothing is taken in, in Unix nanoseconds
}

// New returns an Inbox over st whose events are handled by mux. A nil o is the default. It
// starts nothing: see [Inbox.Run].
func New(st store.Store, mux *receiver.Mux, o *Options) (*Inbox, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("inbox: new: %w", err)
	}
	if st == nil {
		return nil, errors.New("inbox: new: store is nil")
	}
	in := &Inbox{store: st, mux: mux, opts: opts, sources: map[string]*source{}}
	var err error
	// What is handled late, or after a dead letter was looked at, still needs its event. What
	// was acknowledged waits for as long as its source is disabled.
	events := opts.Keep + span(opts.Retry)
	in.dispatcher, err = webhook.NewDispatcher(st, &webhook.DispatcherOptions{
		Deliver: in.deliver, Concurrency: opts.Concurrency, PerWebhook: opts.PerSource, AttemptTimeout: opts.HandlerTimeout,
		Retry: opts.Retry, NeverDisable: true, Observer: opts.Engine, Logger: opts.Receiver.Logger,
		Retention: webhook.Retention{
			Deliveries: opts.Keep, PerWebhook: math.MaxInt32, Paused: forever, Events: events, Notices: opts.Keep, Jobs: opts.Keep,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("inbox: new: %w", err)
	}
	in.service, err = webhook.NewService(lookOnly{st}, &webhook.ServiceOptions{
		InsecurePlaintextSecrets: true, Limits: webhook.Limits{Pending: opts.MaxPending}, Logger: opts.Receiver.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("inbox: new: %w", err)
	}
	return in, nil
}

// SourceOptions are the optional settings of one source.
type SourceOptions struct {
	// Mux has the handlers of the source. Defaults to those of [New]. Senders may have the
	// same name for different things.
	Mux *receiver.Mux

	// Receiver takes the place of [Options].Receiver.
	Receiver *receiver.Options
}

// Handler returns the [http.Handler] that takes in what v verifies, as events of a source.
// The name of a source is 1 to 64 letters, digits, '-' or '_', and stays the same over all
// processes and releases. A nil o is the default. Call it before [Inbox.Run].
//
// What it answers is what [receiver.Receiver] answers. 2xx means that the event is stored. One
// whose id came before is a repeat, whatever else is in it.
//
// [http.Handler]: https://pkg.go.dev/net/http#Handler
func (in *Inbox) Handler(name string, v verifier.Checker, o *SourceOptions) (*receiver.Receiver, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	var given SourceOptions
	if o != nil {
		given = *o
	}
	rules, mux := in.opts, cmp.Or(given.Mux, in.mux)
	if given.Receiver != nil {
		rules.Receiver = *given.Receiver
	}
	s := &source{Inbox: in, name: name, webhookID: webhookID(name)}
	bad := rules.validate()
	switch {
	case !id.Valid(name):
		bad = errors.Join(bad, fmt.Errorf("the name %q is not 1 to 64 letters, digits, '-' or '_'", name))
	case in.ran.Load():
		bad = errors.Join(bad, errors.New("the inbox runs already, and may have given events of the source back"))
	case in.sources[name] != nil:
		bad = errors.Join(bad, errors.New("there is a handler already"))
	}
	r := rules.Receiver
	r.Seen, r.Scope, r.Remember, r.HandlerTimeout = in.store, "inbox:"+name, in.opts.Keep, in.opts.HandlerTimeout
	r.Source, r.Accept, r.Wrap = name, s.accept, s.wrap
	if known, ok := v.(interface{ Repeats() time.Duration }); ok {
		r.Remember = max(r.Remember, known.Repeats())
	}
	handlers, err := receiver.NewFor(v, mux, &r)
	if err := errors.Join(bad, err); err != nil {
		return nil, fmt.Errorf("inbox: handler of %s: %w", name, err)
	}
	s.handlers = handlers
	in.sources[name] = s
	return handlers, nil
}

// webhookID is the id of the webhook that stands for a source.
func webhookID(source string) string {
	sum := sha256.Sum256([]byte("inbox\x00" + source))
	return "whk_" + hex.EncodeToString(sum[:16])
}

const forever = 100 * 365 * 24 * time.Hour

// span is how long all attempts of a policy take.
func span(p retry.Policy) (all time.Duration) {
	for n := 1; ; n++ {
		delay, again := p.Next(n, "")
		if !again {
			return all + all/2 // Jitter.
		}
		all += delay
	}
}

// Run has events handled until ctx ends, and then waits for the handlers that run. Their
// contexts end after twice HandlerTimeout and five seconds. A handler that has not returned
// five seconds later is left behind, and its event handled again. A second call meanwhile
// fails with [webhook.ErrRunning].
func (in *Inbox) Run(ctx context.Context) error {
	in.ran.Store(true)
	return in.dispatcher.Run(ctx)
}

// Health says in words what is wrong, for readyz.
func (in *Inbox) Health(ctx context.Context) webhook.Health { return in.dispatcher.Health(ctx) }

// Service shows what is in the inbox, and has it handled again: see the package comment.
func (in *Inbox) Service() *webhook.Service { return in.service }

// WebhookID returns the id of the webhook that stands for a source in [Inbox.Service].
func (in *Inbox) WebhookID(source string) string { return webhookID(source) }

func (in *Inbox) source(name string) *source {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.sources[name]
}
