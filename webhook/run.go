package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

const (
	// maxBatch is where larger batches stop paying: with so many deliveries in a
	// call, the work itself outweighs the round trip.
	maxBatch = 100
	// maxClaimBytes bounds the bodies of one claim, so that its answer arrives soon
	// over a slow link.
	maxClaimBytes = 1 << 20
	// maxIdle bounds a wait for the next due delivery. A missed wake-up costs at most
	// this much. An idle store is asked this often.
	maxIdle = 2 * time.Second
	// maxCrowded bounds the pause of a claimer that finds nothing because others take
	// it all. It doubles up to this.
	maxCrowded = 100 * time.Millisecond
	// storeTimeout bounds one call of the store.
	storeTimeout = 10 * time.Second
	// pruneEvery is the pause between prunings, pruneBatch the size of a step.
	pruneEvery = time.Minute
	pruneBatch = 500
	// stopGrace is how long a stop waits for the store beyond the deliveries.
	stopGrace = 5 * time.Second
	// Up to lateFactor times the concurrency results may wait for a store that does
	// not take them. lateTries calls try them at once.
	lateFactor = 4
	lateTries  = 8
	// Pauses after an error of the store double between these.
	minBackoff = 50 * time.Millisecond
	maxBackoff = time.Second
)

// run is one call of Dispatcher.Run.
type run struct {
	*Dispatcher
	slots    *slots
	leases   chan claimed
	results  chan settled
	wakes    chan struct{} // capacity 1: something may be claimable
	notices  chan struct{} // capacity 1: a notice is waiting
	jobs     chan struct{} // capacity 1: a job is waiting
	alarms   chan alarm
	disabled chan [2]string // merchant and webhook, to be probed

	kinds   []string       // of jobs that this dispatcher knows
	faults  map[string]int // by job: steps that failed in a row; of doJobs alone
	nextJob time.Time      // when a job that was put off goes on, if that is soon; of doJobs alone

	suspects  chan settled // results that may be a fault of this side
	outage    *outage
	lanes     *lanes
	skewed    atomic.Bool  // the store has another time
	exhausted atomic.Bool  // there was no socket for the last attempt
	emptied   atomic.Int64 // when idle connections were closed for that, in Unix seconds
}

// claimed is a lease with the moment before it was asked for, on this process's
// clock. The lease ends no earlier than at plus its length.
type claimed struct {
	store.Lease

	at        time.Time
	storeTime time.Time      // the store's, at that moment
	added     []vault.Header // what the host adds to the requests of an attempt
	probe     bool           // it tries the way out in an outage
	sent      *http.Header   // of the last post of an attempt
	message   event.Shaped   // what is sent, as it was stored
}

// Run delivers until ctx ends and returns nil after an orderly stop: it claims
// no more, waits up to DrainTimeout for deliveries on the wire, cuts short and
// gives back the rest, stores all results, and ends its goroutines. It survives
// every error and panic of the store, the transport and callbacks. A second call
// meanwhile returns [ErrRunning].
func (d *Dispatcher) Run(ctx context.Context) error {
	if !d.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer d.running.Store(false)

	n := d.opts.Concurrency
	r := &run{
		Dispatcher: d,
		slots:      newSlots(n),
		leases:     make(chan claimed, (1+maxAhead)*n), // never blocks: a lease is sent only with a slot held
		results:    make(chan settled, n),
		wakes:      make(chan struct{}, 1),
		notices:    make(chan struct{}, 1),
		jobs:       make(chan struct{}, 1),
		alarms:     make(chan alarm, maxAlarms),
		disabled:   make(chan [2]string, maxProbes),
		kinds:      d.kindsOfJobs(),
		faults:     map[string]int{},
		suspects:   make(chan settled, n),
		outage:     newOutage(d.opts.Lease),
		lanes:      newLanes(n, d.opts.AttemptTimeout),
	}
	r.warnOfFewDescriptors(ctx)
	// The stop goes from front to back: ctx ends the claiming and the background
	// tasks; then the workers finish what is on the wire; then what was kept back and the
	// last results are stored, and then the notices that they led to.
	var background, workers, judge, finisher, alarmer, adder sync.WaitGroup
	background.Go(func() { r.watch(ctx) })
	background.Go(func() { r.prune(ctx) })
	background.Go(func() { r.notify(ctx) })
	background.Go(func() { r.doJobs(ctx) })

	// Attempts and their results outlive ctx.
	attempts, cutShort := context.WithCancel(context.WithoutCancel(ctx))
	defer cutShort()
	for range n {
		workers.Go(func() { r.work(attempts) })
	}
	results, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	judge.Go(func() { r.judge(results) })
	finisher.Go(func() { r.finish(results) })
	alarmer.Go(func() { r.raise(results) })
	adder.Go(func() { r.addProbes(results) })

	r.claim(ctx)
	close(r.leases)
	drain := time.AfterFunc(d.opts.DrainTimeout, cutShort)
	workers.Wait()
	drain.Stop()
	grace := time.AfterFunc(stopGrace, giveUp)
	close(r.suspects)
	judge.Wait()
	close(r.results)
	finisher.Wait()
	close(r.alarms)
	close(r.disabled)
	alarmer.Wait()
	adder.Wait()
	grace.Stop()
	background.Wait()
	d.closeIdle()
	return nil
}

// claim moves due deliveries from the store to the workers until ctx ends.
func (r *run) claim(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	keys := id.New("c_")
	crowded := time.Duration(0) // the last pause, while others take everything
	for n := 0; ; n++ {
		most, probe := maxBatch, r.outage.lasts.Load()
		if probe {
			most = probeClaims
		}
		want := r.slots.take(ctx, most)
		if want == 0 {
			return
		}
		began := time.Now()
		per := r.opts.PerWebhook
		if probe {
			per = 1
		}
		got, c, ok := r.ask(ctx, want, per, keys+"_"+strconv.Itoa(n))
		if c.probe = probe; probe {
			got.Leases = r.chooseProbes(got.Leases, c)
		}
		for _, l := range got.Leases {
			c.Lease = l
			r.leases <- c
		}
		r.slots.giveBack(want - len(got.Leases))
		if !ok {
			return
		}
		if got.Notices {
			signal(r.notices)
		}
		if got.Jobs {
			signal(r.jobs)
		}
		if len(got.Leases) == want && !probe {
			r.slots.backlog(began)
			continue
		}
		r.slots.setExtra(0)
		idle := got.Next
		if idle < 0 || idle > maxIdle {
			idle = maxIdle
		}
		if idle > 0 || len(got.Leases) > 0 {
			crowded = 0
		} else { // Somebody else is at it.
			crowded = min(max(2*crowded, time.Millisecond), maxCrowded)
			idle = crowded
		}
		if probe {
			idle = probePause
		}
		if !r.sleep(ctx, timer, idle) {
			return
		}
	}
}

// sleep waits until something may be claimable, and returns false if ctx has ended.
// While an outage lasts, news of the store end no sleep.
func (r *run) sleep(ctx context.Context, timer *time.Timer, d time.Duration) bool {
	timer.Reset(d)
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-r.wakes:
			if !r.outage.lasts.Load() {
				return true
			}
		}
	}
}

// ask claims up to want deliveries, and returns the times at which their leases
// began. It goes on until the store answers or ctx ends. A claim whose answer was
// lost may have hidden deliveries, so it is asked for again by its key.
func (r *run) ask(ctx context.Context, want, perWebhook int, key string) (got store.Claimed, c claimed, ok bool) {
	first, pause := time.Now(), backoff{}
	for {
		at := time.Now()
		err := r.lingering(ctx, "claim", func(ctx context.Context) (err error) {
			got, err = r.store.Claim(ctx, store.ClaimRequest{
				Limit: want, Lease: r.opts.Lease, PerWebhook: perWebhook, MaxBytes: maxClaimBytes, Key: key,
			})
			if err == nil && len(got.Leases) > want {
				err = errAnswers
			}
			return err
		})
		switch {
		case err == nil:
			r.compareClocks(ctx, at, got.At, time.Now())
			if !got.Again {
				return got, claimed{at: at, storeTime: got.At}, true
			}
			return got, claimed{at: first, storeTime: got.At.Add(first.Sub(at))}, true
		case !pause.wait(ctx):
			return store.Claimed{}, claimed{}, false
		}
	}
}

// watch turns the store's wake-ups into ours.
func (r *run) watch(ctx context.Context) {
	pause := backoff{}
	for ctx.Err() == nil {
		began := time.Now()
		err := r.guard("watch", func() error {
			return r.store.Watch(ctx, func() { signal(r.wakes) })
		})
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxBackoff {
			pause = backoff{}
		}
		r.opts.Logger.ErrorContext(ctx, "webhook watch ended early", slog.Any("error", err))
		if !pause.wait(ctx) {
			return
		}
	}
}

// prune applies the retention.
func (r *run) prune(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	keep := r.opts.Retention
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for more := true; more && ctx.Err() == nil; {
			var done store.Pruned
			err := r.call(ctx, "prune", func(ctx context.Context) (err error) {
				done, err = r.store.Prune(ctx, store.PruneRequest{
					DeliveryAge: keep.Deliveries, DeliveriesPerWebhook: keep.PerWebhook,
					PausedAge: keep.Paused, PausedCode: string(CodeWebhookDisabled),
					EventAge: keep.Events, NoticeAge: keep.Notices, JobAge: keep.Jobs,
					Limit: pruneBatch,
				})
				return err
			})
			for _, damage := range done.Damaged {
				r.logDamage(ctx, damage)
			}
			more = err == nil && done.More
		}
	}
}

// lingering is call for what takes something from the store. When ctx ends, the call
// has another moment to return what it took.
func (r *run) lingering(ctx context.Context, what string, f func(context.Context) error) error {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, cancel) })
	defer stop()
	return r.call(longer, what, f)
}

// call calls the store with a bound on its time. A fault that lasts is logged when it
// begins, once a minute, and when it is over.
func (r *run) call(ctx context.Context, what string, f func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := r.contain(what, nil, func() error { return f(bounded) })
	r.trouble(ctx, what, err)
	return err
}

// guard turns a panic into an error and logs either. The end of a context is not
// worth a line.
func (r *run) guard(what string, f func() error) error {
	err := r.contain(what, nil, f)
	if err != nil && !isCanceled(err) {
		r.opts.Logger.Error("webhook failure", slog.String("in", what), slog.Any("error", err))
	}
	return err
}

// contain turns a panic into an error, and logs it.
func (r *run) contain(what string, l *store.Lease, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v", what, p)
			r.logger(l).Error("webhook panic", slog.String("in", what), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	return f()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// backoff is a pause that doubles, with jitter, while a fault lasts.
type backoff struct {
	last time.Duration
}

// next returns the pause for one more failure.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, minBackoff), maxBackoff)
	return b.last/2 + rand.N(b.last/2+1) //nolint:gosec // spreads load, guards nothing
}

// wait pauses and returns false if ctx ended.
func (b *backoff) wait(ctx context.Context) bool {
	timer := time.NewTimer(b.next())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func isCanceled(err error) bool { return errors.Is(err, context.Canceled) }
