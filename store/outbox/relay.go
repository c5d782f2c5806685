package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Service is what a [Relay] hands events to. [*webhook.Service] is one, over any store.
//
// [*webhook.Service]: https://pkg.go.dev/github.com/rag-assistant/webhooks/webhook#Service
type Service interface {
	// Prepare checks an event whose Body is its data alone, and returns it as a store keeps
	// it. An error says that it is refused for good.
	Prepare(merchantID string, e store.NewEvent, created time.Time) (store.NewEvent, error)

	// PublishPrepared publishes events that were checked, each id once.
	PublishPrepared(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error)
}

// RelayOptions configures a [Relay].
type RelayOptions struct {
	// PollInterval is how often Run looks for events that nobody has told it of by
	// [Box.Wake]. It costs a statement each time. Defaults to 1 second.
	PollInterval time.Duration

	// Batch is how many events are taken at once, up to 500. Defaults to 100.
	Batch int

	// Lease is for how long a relay has what it has taken. When it dies, another one takes it
	// after that. Taking, publishing and noting have half of it each, which also bounds how
	// long Run takes to stop. Defaults to 30 seconds.
	Lease time.Duration

	// MaxTries is how often publishing an event may fail, while others go through, before it
	// is set aside. Tries are 2 seconds apart, then 4, up to 5 minutes. Defaults to 10, which
	// takes some 14 minutes.
	MaxTries int

	// Keep is for how long the table knows that an event was relayed, without its body. An
	// id that is published again in that time is a Duplicate already in the transaction.
	// Defaults to 24 hours.
	Keep time.Duration

	// Logger gets a line when relaying begins to fail, a line a minute while it does, one
	// when it is over, and one for each event that is set aside. Nil discards them.
	Logger *slog.Logger
}

func (o *RelayOptions) withDefaults() (out RelayOptions, err error) {
	if o != nil {
		out = *o
	}
	if out.PollInterval <= 0 {
		out.PollInterval = time.Second
	}
	if out.Batch <= 0 {
		out.Batch = 100
	}
	if out.Lease <= 0 {
		out.Lease = 30 * time.Second
	}
	if out.MaxTries <= 0 {
		out.MaxTries = 10
	}
	if out.Keep <= 0 {
		out.Keep = 24 * time.Hour
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Batch > 500 {
		err = fmt.Errorf("batch %d: must be at most 500", out.Batch)
	}
	return out, err
}

// Relay publishes what a [Box] has. Any number may run on one database, in any processes:
// each event is taken by one at a time.
type Relay struct {
	box  *Box
	svc  Service
	opts RelayOptions

	running atomic.Int64
	mu      sync.Mutex
	trouble trouble
}

// NewRelay returns a relay from a box to a service. A nil opts is the default.
func NewRelay(box *Box, svc Service, opts *RelayOptions) (*Relay, error) {
	o, err := opts.withDefaults()
	if box == nil || svc == nil {
		err = errors.Join(errors.New("box and service: must not be nil"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("outbox: new relay: %w", err)
	}
	return &Relay{box: box, svc: svc, opts: o}, nil
}

const (
	pruneInterval = time.Minute
	// maxPause is the longest pause after a failure of the database or of the service.
	maxPause = 15 * time.Second
	// lanes is how many merchants' events are published at once.
	lanes = 8
	// maxWhy is how many bytes of a reason are kept.
	maxWhy = 500
)

// Run relays until ctx ends, and then finishes what it has taken. It returns nil. What fails
// is tried again: see [Relay.Health] and [RelayOptions].Logger.
func (r *Relay) Run(ctx context.Context) error {
	r.running.Add(1)
	defer r.running.Add(-1)
	pause := time.NewTimer(0)
	defer pause.Stop()
	var failures int
	var pruned time.Time
	var l look
	for {
		wake := r.box.wake
		if failures > 0 {
			wake = nil // What is written meanwhile would fail too.
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		case <-wake:
		}
		n, err := r.step(ctx, &l)
		if err == nil && time.Since(pruned) > pruneInterval {
			var forgot int
			if forgot, err = r.box.prune(ctx, r.opts.Keep); forgot < maxPruned {
				pruned = time.Now()
			} else {
				n += forgot // There is more: go on after the next batch.
			}
		}
		r.note(ctx, err)
		switch {
		case err != nil:
			failures++
			pause.Reset(min(r.opts.PollInterval<<min(failures, 10), maxPause))
		case n > 0:
			failures = 0
			pause.Reset(0)
		default:
			failures = 0
			pause.Reset(r.opts.PollInterval)
		}
	}
}

// look is where a loop of a relay looks. What is gone already lies in front of what waits, and
// while another session holds a snapshot it costs as if it were there. So most looks begin
// near the last one, and some find what was committed late.
type look struct {
	last  int64 // when the last event that was claimed was due, in milliseconds
	swept time.Time
}

// back is how far a look goes, in milliseconds: longer than most transactions are open.
const back = 10_000

// floor is where the next look begins. One in fifteen polls begins at the beginning.
func (l *look) floor(poll time.Duration) int64 {
	if now := time.Now(); now.Sub(l.swept) >= 15*poll {
		l.swept = now
		return 0
	}
	return l.last - back
}

// step takes a batch and publishes it, and says how many it has taken. The end of ctx does not
// stop it: what is taken in that moment would have to wait for the end of its lease.
func (r *Relay) step(ctx context.Context, l *look) (int, error) {
	ctx = context.WithoutCancel(ctx)
	claiming, cancel := context.WithTimeout(ctx, r.opts.Lease/2)
	c, err := r.box.claim(claiming, l.floor(r.opts.PollInterval), r.opts.Batch, r.opts.Lease)
	cancel()
	if err != nil || len(c.records) == 0 {
		return 0, err
	}
	l.last = c.last
	publishing, cancel := context.WithTimeout(ctx, r.opts.Lease/2)
	results := r.publish(publishing, c.records)
	cancel()
	verdicts, err := r.judge(c.records, results)
	for i, v := range verdicts {
		if v.state == setAside {
			e := c.records[i]
			r.opts.Logger.ErrorContext(ctx, "webhook event set aside by the outbox",
				slog.String("merchant", e.merchant), slog.String("event", e.ID), slog.String("type", e.Type), slog.String("why", v.why))
		}
	}
	settling, cancel := context.WithTimeout(ctx, r.opts.Lease/2)
	defer cancel()
	return len(c.records), errors.Join(err, r.box.settle(settling, c, verdicts))
}

// result is what the service says of a record.
type result struct {
	err     error
	refused bool // for good
}

// publish publishes records, those of a merchant together.
func (r *Relay) publish(ctx context.Context, records []record) []result {
	out := make([]result, len(records))
	groups := map[string][]int{}
	for i := range records {
		if e := &records[i]; e.raw {
			prepared, err := r.svc.Prepare(e.merchant, e.NewEvent, e.at)
			if err != nil {
				out[i] = result{err, true}
				continue
			}
			e.NewEvent = prepared
		}
		groups[records[i].merchant] = append(groups[records[i].merchant], i)
	}
	var wg sync.WaitGroup
	free := make(chan struct{}, lanes)
	for _, group := range groups {
		free <- struct{}{}
		wg.Go(func() {
			r.publishGroup(ctx, records, group, out)
			<-free
		})
	}
	wg.Wait()
	return out
}

// publishGroup publishes records of one merchant, and one by one if they fail together for a
// reason that may be one of them.
func (r *Relay) publishGroup(ctx context.Context, records []record, group []int, out []result) {
	events := make([]store.NewEvent, len(group))
	for i, at := range group {
		events[i] = records[at].NewEvent
	}
	answers, err := r.ask(ctx, records[group[0]].merchant, events)
	if err != nil && len(group) > 1 && !passing(err) {
		for i := range group {
			r.publishGroup(ctx, records, group[i:i+1], out)
		}
		return
	}
	for i, at := range group {
		switch {
		case err != nil:
			out[at] = result{err, errors.Is(err, store.ErrNotFound)} // a test of a webhook that is gone
		case answers[i].Conflict:
			out[at] = result{errors.New("its id was published before with other content"), true}
		}
	}
}

// ask publishes events. A panic of the service is an error, as in a dispatcher.
func (r *Relay) ask(ctx context.Context, merchant string, events []store.NewEvent) (answers []store.Published, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.opts.Logger.ErrorContext(ctx, "webhook panic", slog.String("in", "relay"), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("the service panicked: %v", p)
		}
	}()
	answers, err = r.svc.PublishPrepared(ctx, merchant, events)
	if err == nil && len(answers) != len(events) {
		err = errors.New("the service answered for another number of events")
	}
	return answers, err
}

// passing says whether an error is of the moment, and not of an event.
func passing(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// judge says what becomes of records. A failure counts against an event only if another one
// went through: else it is the store's, and the error is returned too.
func (r *Relay) judge(records []record, results []result) (out []verdict, err error) {
	through := false
	for _, res := range results {
		through = through || res.err == nil
	}
	out = make([]verdict, len(records))
	for i, res := range results {
		v := verdict{state: relayed, tries: records[i].tries}
		if res.err != nil {
			v.state, v.why = waiting, why(res.err)
		} else {
			v.tries = 0
		}
		switch {
		case res.refused:
			v.state = setAside
		case res.err != nil && !through:
			err = fmt.Errorf("publish: %w", res.err)
		case res.err != nil && !passing(res.err):
			if v.tries++; v.tries >= r.opts.MaxTries {
				v.state = setAside
			}
		}
		out[i] = v
	}
	return out, err
}

// why is an error as the table keeps it.
func why(err error) string {
	text := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "")
	return strings.ToValidUTF8(text[:min(len(text), maxWhy)], "")
}
