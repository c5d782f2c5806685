package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// Dispatcher delivers what a [Service] published: it claims due deliveries,
// posts them and stores what came of it. Any number of dispatchers, in any
// number of processes, may share a store; each delivery is with one of them at a
// time.
//
// Delivery is at least once and in no order. A second delivery happens only if a
// receiver processed an event without answering in time, or if a process died or
// stalled, or the store was away, between sending and storing the result.
type Dispatcher struct {
	store   DispatchStore
	opts    DispatcherOptions
	out     *egress.Egress
	vault   *vault.Vault
	signers vault.Signers
	names   []string // see headerNames
	own     vault.Reserved
	running atomic.Bool

	troubles troubles
}

// DispatchStore are the roles that a Dispatcher uses.
type DispatchStore interface {
	store.Queue
	store.Notices
	store.Jobs
	store.Backlogs // for Health

	store.Publisher // for the tests of Probe

	// Webhook and UpdateWebhook are those of [store.Webhooks], Delivery, Events and
	// Enqueue are those of [store.History].
	Webhook(ctx context.Context, merchantID, webhookID string) (store.Webhook, error)
	UpdateWebhook(ctx context.Context, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error)
	Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error)
	Events(ctx context.Context, merchantID string, q store.EventQuery) (store.EventPage, error)
	Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) ([]store.Enqueued, error)
}

// DispatcherOptions configures a [Dispatcher].
type DispatcherOptions struct {
	// Concurrency is how many deliveries are on the wire at once. Webhooks that took a
	// second or more to answer lately share half of them, and together with those that
	// are new three quarters. While there are other merchants, one has at most half for
	// webhooks that took over 100 ms. A delivery that finds no place goes back to the
	// store for a while, which counts for nothing. Defaults to 1024.
	Concurrency int

	// PerWebhook is how many deliveries of one webhook are on the wire at once, over
	// all dispatchers that share the store. The dispatchers should agree on it. For a
	// bound per second see [Registration.RateLimit]. Defaults to 10.
	PerWebhook int

	// AttemptTimeout is how long an endpoint has to answer with a status.
	// Defaults to 10 seconds.
	AttemptTimeout time.Duration

	// Lease is how long a claimed delivery is hidden from other dispatchers. After a
	// crash it is tried again when its lease ends. It must be at least three times
	// AttemptTimeout, because an attempt around a rotation posts more than once, and
	// a lease must outlive its attempt. Defaults to 60 seconds, or three times
	// AttemptTimeout if that is more.
	Lease time.Duration

	// DrainTimeout bounds the wait for deliveries on the wire once Run is told to
	// stop. Those that take longer are cut short and given back, to be tried
	// again without counting. Storing the last results may take 5 seconds more.
	// Defaults to twice AttemptTimeout and 5 seconds.
	DrainTimeout time.Duration

	// Retry says when a failed attempt is repeated, and how often. Defaults to
	// three attempts: at once, after 1 minute and after 5 more.
	Retry retry.Policy

	// DisableAfter is how many consecutive failures disable a webhook. Defaults
	// to 10.
	DisableAfter int

	// DisableAfterFailingFor is for how long a webhook must have been failing, beside
	// DisableAfter, before it is disabled. Defaults to 0: the count alone decides.
	DisableAfterFailingFor time.Duration

	// DisableOnGone disables a webhook whose endpoint answers 410 Gone, with [ReasonGone],
	// and fails that delivery: the rule of Standard Webhooks. Defaults to false: a 410 is
	// a failure like any other.
	DisableOnGone bool

	// Probe, if set, tries webhooks that their failures have disabled: so long after the
	// disabling the webhook gets a test event, and after one that fails a next one, as
	// many as there are pauses; []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour},
	// say. Each pause is up to a quarter longer, so that those that were disabled together
	// are not tried together. All dispatchers should agree on it. The failure of such a test is logged and counts for nothing. A success enables
	// the webhook, so that what waited goes on, and makes a notice of kind
	// [NoticeEnabled]. If failures disable it again within the last pause, the tests go on
	// with the next one. A webhook that its owner has disabled, or that answered 410 with
	// DisableOnGone, is never tried; nor is one whose dispatcher dies in the moment after
	// the disabling, unless one has OnNotice. Defaults to none: only its owner can enable a webhook.
	Probe []time.Duration

	// Catalog has the shape of payloads, in which the tests of Probe are sent: see
	// [event.Catalog.WithShape]. Give the [Service] the same. Defaults to
	// [event.DefaultCatalog].
	Catalog *event.Catalog

	// WarnAfter is how many consecutive failures make a notice of kind
	// [NoticeWarning], so that the owner hears of it in time: half of DisableAfter,
	// say. Unless NeverDisable is set, it must be below DisableAfter. Defaults to 0:
	// no warnings.
	WarnAfter int

	// WarnPause is the least time between two warnings of one webhook. It spares the
	// owner of an endpoint that fails and recovers all the time. Defaults to 24
	// hours.
	WarnPause time.Duration

	// NeverDisable leaves every webhook active, whatever it answers.
	NeverDisable bool

	// CountAttempts counts every failed try as a failure. By default a failure is
	// a delivery that has ended without success. Tests and this side's own faults
	// never count.
	CountAttempts bool

	// MaxReclaims is how often a delivery may end without a result, because its
	// process died or this side failed, before it is given up as failed with
	// [CodeInternal]. It bounds the harm of a delivery that kills its process. After
	// a fault of this side the pause is a minute, then two, up to an hour, so the
	// default of 10 leaves five hours to mend it.
	MaxReclaims int

	// Retention says what is kept, and for how long.
	Retention Retention

	// OmitExchange keeps of an attempt its outcome only. By default its URL and headers are
	// kept too, sealed as secrets are: see [Exchange]. That is some 0.7 to 4 KiB of the
	// store for each attempt.
	OmitExchange bool

	// Wire is what requests call their headers, and how they are signed. Give the
	// [Service] the same. Defaults to X-Webhook-Signature and so on, beside the headers
	// of Standard Webhooks.
	Wire signer.Wire

	// Egress holds the rules for connections. Give the [Service] the same.
	// Defaults to https on public addresses.
	Egress *egress.Options

	// Transport replaces the transport that Egress makes, and with it every
	// check of the address that is dialled. For tests, and for hosts that bring a
	// guard of their own. Defaults to nil.
	Transport http.RoundTripper

	// Deliver makes the attempts in place of HTTP, of the webhooks whose URL begins with
	// [HandedScheme], which alone may be in the store: see package inbox. Nothing is signed,
	// no exchange is kept, and no keys are needed. Defaults to nil: attempts are requests.
	Deliver DeliverFunc

	// SecretKeys open the secrets and headers that the Service sealed: see
	// [ServiceOptions.SecretKeys].
	SecretKeys []SecretKey

	// InsecurePlaintextSecrets: see [ServiceOptions.InsecurePlaintextSecrets].
	InsecurePlaintextSecrets bool

	// OnNotice is called once for each time that failures have disabled a webhook,
	// or have come near to it, and when it has recovered: see [NoticeKind] and
	// WarnAfter. One dispatcher of all that set OnNotice calls it, and calls up to
	// 8 at once. Its context ends after 50 seconds, or when Run is told to stop.
	//
	// It is called again if it returns an error or panics, or if process or store
	// fail before its return is noted: after a minute, then after half of the
	// notice's age, up to an hour. Notices that nobody takes are kept for
	// Retention.Notices. Defaults to nil: this dispatcher leaves notices to others.
	OnNotice NoticeFunc

	// Jobs does the steps of jobs of further kinds, by kind: see [JobFunc]. Package
	// operator has some. A dispatcher's own kinds, replay and probe, stay its own. Defaults
	// to none: jobs of other kinds are left to other dispatchers.
	Jobs map[string]JobFunc

	// RequestHeaders adds headers to requests, such as traceparent, for receivers
	// that take part in a trace. Names that the sender or HTTP uses, and those of the
	// webhook's own headers, are left out. Receivers are strangers: tell them nothing
	// that is not for them. Defaults to adding none.
	RequestHeaders RequestHeadersFunc

	// Observer is told of every attempt. Defaults to nobody.
	Observer Observer

	// Logger gets a line for each attempt at debug, and at info if it failed, for
	// each failed delivery and disabled webhook at warn, and for each fault of store
	// or host at error, with the keys that docs/observability.md lists. Never a body,
	// a secret or a URL. Defaults to discarding them.
	Logger *slog.Logger
}

// HandedScheme begins the URL of a webhook whose deliveries are handed over within the
// process: see [DispatcherOptions].Deliver. No such URL can be registered with a [Service].
const HandedScheme = "inbox:"

// DeliverFunc makes the attempts of a dispatcher within its process. It may be called from
// many goroutines. Its context ends after AttemptTimeout. A panic is a fault of this side, and
// an attempt that ends its goroutine has failed. One that has not returned five seconds after a
// stop has cut it short is left behind, and its delivery is given back.
type DeliverFunc func(context.Context, Handed) Taken

// Handed is one attempt of a delivery.
type Handed struct {
	AttemptInfo

	Body []byte // as it was published with [store.NewEvent]; not to be changed
}

// Taken says what came of an attempt.
type Taken struct {
	Status int           // as of HTTP: 2xx is a success, all else a failure
	Final  bool          // there is no further attempt after a failure
	After  time.Duration // when the next attempt is due; 0: as Retry says

	// Back gives the delivery back as if nobody had tried: it is due again after After,
	// and nothing counts.
	Back bool

	// Text is kept with the attempt, as the answer of an endpoint is. Of it, the first
	// 1,000 characters are.
	Text string
}

// NoticeFunc takes a notice: see [DispatcherOptions.OnNotice].
type NoticeFunc func(context.Context, Notice) error

// JobFunc does one step of a job and says what to store then, if nobody has changed the
// job meanwhile; IfVersion is set for it. A step may be cut short, and be done again by
// another process, so to repeat one must do no harm. Its context ends after 50 seconds, or
// when Run is told to stop. After an error nothing is stored, and the job waits, longer
// each time, up to a minute.
type JobFunc func(context.Context, store.Job) (store.JobUpdate, error)

// RequestHeadersFunc returns headers for the requests of one attempt, by name. The
// context is that of the attempt: see [Observer].Attempting. It ends after a quarter
// of AttemptTimeout. If the function takes much longer, the delivery is given back
// and not sent.
type RequestHeadersFunc func(context.Context, AttemptInfo) map[string]string

// Retention says what the log keeps. Pruning happens in small steps, once a
// minute, by whichever dispatcher is there.
type Retention struct {
	// Deliveries is how long a delivery is kept after it has ended. Defaults to 7 days.
	Deliveries time.Duration
	// PerWebhook is how many ended deliveries of one webhook are kept. Defaults to
	// 10,000.
	PerWebhook int
	// Paused is how old a delivery may get while its webhook is disabled before it
	// fails with [CodeWebhookDisabled]. Defaults to 7 days.
	Paused time.Duration
	// Events is how long an event can be replayed, and its id be recognised as
	// published. Defaults to 7 days.
	Events time.Duration
	// Notices is how long a notice waits for an OnNotice to take it. Defaults to 7 days.
	Notices time.Duration
	// Jobs is how long a replay, or an operator's job, can be looked at after it has
	// ended. Defaults to 7 days.
	Jobs time.Duration
}

// ErrRunning says that Run was called while it was running.
var ErrRunning = errors.New("webhook: dispatcher is running already")

// NewDispatcher returns a Dispatcher over st. A nil o is the default. It starts
// nothing: see [Dispatcher.Run].
func NewDispatcher(st DispatchStore, o *DispatcherOptions) (*Dispatcher, error) {
	var opts DispatcherOptions
	if o != nil {
		opts = *o
	}
	opts.Probe, opts.Jobs = slices.Clone(opts.Probe), maps.Clone(opts.Jobs)
	opts = opts.withDefaults()
	bad := opts.validate()
	if st == nil {
		bad = append(bad, errors.New("store is nil"))
	}
	if len(opts.Probe) > 0 {
		bad = append(bad, shaper{opts.Catalog.Shape(), vault.NewReserved(opts.Wire), opts.Logger}.check())
	}
	keys, err := newVault(st, opts.SecretKeys, opts.InsecurePlaintextSecrets || opts.Deliver != nil)
	bad = append(bad, err)
	out, err := egress.New(opts.Egress)
	bad = append(bad, err)
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("webhook: new dispatcher: %w", err)
	}
	if opts.Transport == nil {
		opts.Transport = out.Transport()
	}
	opts.SecretKeys = nil // The vault has them; unexported fields print without their Format.
	d := &Dispatcher{store: st, opts: opts, out: out, vault: keys, names: headerNames(opts.Wire), own: vault.NewReserved(opts.Wire)}
	d.signers = vault.NewSigners(keys, d.own, opts.Logger)
	return d, nil
}

// closeIdle closes kept connections of our own transport.
func (d *Dispatcher) closeIdle() { d.out.Transport().CloseIdleConnections() }

func (o DispatcherOptions) withDefaults() DispatcherOptions {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	defTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	const week = 7 * 24 * time.Hour
	def(&o.Concurrency, 1024)
	def(&o.PerWebhook, 10)
	def(&o.DisableAfter, 10)
	def(&o.MaxReclaims, 10)
	def(&o.Retention.PerWebhook, 10_000)
	defTime(&o.WarnPause, 24*time.Hour)
	defTime(&o.AttemptTimeout, 10*time.Second)
	defTime(&o.Lease, max(time.Minute, 3*o.AttemptTimeout))
	defTime(&o.DrainTimeout, 2*o.AttemptTimeout+5*time.Second)
	defTime(&o.Retention.Deliveries, week)
	defTime(&o.Retention.Paused, week)
	defTime(&o.Retention.Events, week)
	defTime(&o.Retention.Notices, week)
	defTime(&o.Retention.Jobs, week)
	o.Wire = o.Wire.WithDefaults()
	if o.Catalog == nil {
		o.Catalog = event.DefaultCatalog()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o DispatcherOptions) validate() []error {
	var bad []error
	for _, f := range []struct {
		name string
		low  bool
	}{
		{"Concurrency", o.Concurrency < 1},
		{"PerWebhook", o.PerWebhook < 1},
		{"DisableAfter", o.DisableAfter < 1},
		{"DisableAfterFailingFor", o.DisableAfterFailingFor < 0},
		{"WarnAfter", o.WarnAfter < 0},
		{"WarnPause", o.WarnPause < 0},
		{"MaxReclaims", o.MaxReclaims < 1},
		{"AttemptTimeout", o.AttemptTimeout < time.Millisecond},
		{"DrainTimeout", o.DrainTimeout < 0},
		{"Retention", min(o.Retention.Deliveries, o.Retention.Paused, o.Retention.Events,
			o.Retention.Notices, o.Retention.Jobs) < 0 || o.Retention.PerWebhook < 0},
	} {
		if f.low {
			bad = append(bad, fmt.Errorf("%s is too low", f.name))
		}
	}
	for i, pause := range o.Probe {
		if pause < time.Minute {
			bad = append(bad, fmt.Errorf("pause %d of Probe, %s, is shorter than a minute", i+1, pause))
		}
	}
	for kind, f := range o.Jobs {
		if f == nil {
			bad = append(bad, fmt.Errorf("the function in Jobs for %q is nil", kind))
		}
	}
	if o.WarnAfter >= o.DisableAfter && !o.NeverDisable {
		bad = append(bad, fmt.Errorf("WarnAfter of %d is not below the DisableAfter of %d", o.WarnAfter, o.DisableAfter))
	}
	if o.Lease < 3*o.AttemptTimeout {
		bad = append(bad, fmt.Errorf("lease of %s is shorter than three times the AttemptTimeout of %s",
			o.Lease, o.AttemptTimeout))
	}
	if err := o.Wire.Validate(); err != nil {
		bad = append(bad, err)
	}
	if err := o.Retry.Validate(); err != nil {
		bad = append(bad, fmt.Errorf("retry: %w", err))
	}
	return bad
}
