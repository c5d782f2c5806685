package webhook

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/rag-assistant/webhooks/store"
)

// settled is the result of an attempt on its way to the store.
type settled struct {
	result store.Result
	info   SettledInfo
	url    string

	at        time.Time // as in claimed
	storeTime time.Time

	heard   bool      // something of the endpoint came back
	suspect bool      // it may be a fault of this side: see outage
	heldAt  time.Time // since when it is kept back
}

// newSettled is the result of a lease that was not tried.
func newSettled(c claimed) settled {
	info := AttemptInfo{
		MerchantID: c.MerchantID, WebhookID: c.WebhookID, DeliveryID: c.DeliveryID,
		EventID: c.EventID, EventType: c.EventType, Test: c.Test, Trace: c.Trace, Number: c.Attempts + 1,
	}
	s := settled{info: SettledInfo{AttemptInfo: info}, at: c.at, storeTime: c.storeTime, url: c.URL}
	s.result = store.Result{
		MerchantID: c.MerchantID, WebhookID: c.WebhookID, DeliveryID: c.DeliveryID, Token: c.Token,
	}
	return s
}

// work makes attempts until there are no more leases. Each worker has a context of
// its own, because all workers would contend for the lock of a shared one.
func (r *run) work(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var f flight
	for c := range r.leases {
		if wait := r.lanes.enter(&c, &f); wait > 0 {
			r.slots.giveBack(1)
			r.results <- sentAway(c, wait)
			continue
		}
		s := r.attempt(ctx, c)
		r.lanes.leave(&f, s.info.Duration)
		r.slots.attempted()
		if r.voted(ctx, &s) {
			s.heldAt = time.Now()
			r.suspects <- s
			continue
		}
		r.results <- s
	}
}

// attempt makes one attempt of a delivery in the way that is this dispatcher's. What another
// kind of dispatcher has to make is given back, and an operator is told.
func (r *run) attempt(ctx context.Context, c claimed) settled {
	switch handed := strings.HasPrefix(c.URL, HandedScheme); {
	case handed != (r.opts.Deliver != nil):
		r.logger(&c.Lease).ErrorContext(ctx, "webhook deliveries of an inbox and of a sender are in one store; each needs a store of its own, by another prefix, schema or file",
			slog.Bool("inbox", handed))
		s := newSettled(c)
		r.waive(&s, time.Minute)
		return s
	case handed:
		return r.hand(ctx, c)
	}
	return r.try(ctx, c)
}

// sentAway is the result of a lease for which there is no place on the wire: see lanes.
func sentAway(c claimed, wait time.Duration) settled {
	s := newSettled(c)
	s.result.Outcome, s.result.Delay, s.result.Hold = store.Released, wait, wait
	return s
}

// finish stores results until there are no more. It takes what has gathered while the
// call before was under way, so that a lone result waits for nobody and many share a
// round trip. What the store does not take is tried again in a goroutine of its own,
// so that it delays nothing else, unless there is too much of it.
func (r *run) finish(ctx context.Context) {
	var late sync.WaitGroup
	defer late.Wait()
	limit := int64(lateFactor * max(r.opts.Concurrency, maxBatch))
	room := semaphore.NewWeighted(limit)
	for first := range r.results {
		left, _ := r.settle(ctx, r.gather(first))
		if len(left) == 0 {
			continue
		}
		n := int64(len(left))
		if room.Acquire(ctx, n) != nil {
			r.lost(ctx, left)
			continue
		}
		late.Go(func() {
			defer room.Release(n)
			r.insist(ctx, left)
		})
	}
}

// gather returns first with the results that wait behind it.
func (r *run) gather(first settled) []settled {
	batch := []settled{first}
	for len(batch) < maxBatch {
		select {
		case next, open := <-r.results:
			if !open {
				return batch
			}
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// settle tries once to store a batch and returns what was not stored, with the
// error if that is all of it.
func (r *run) settle(ctx context.Context, batch []settled) ([]settled, error) {
	results := make([]store.Result, len(batch))
	for i := range batch {
		results[i] = batch[i].result
	}
	var answers []store.Finished
	err := r.call(ctx, "finish", func(ctx context.Context) (err error) {
		answers, err = r.store.Finish(ctx, results)
		if err == nil && len(answers) != len(results) {
			err = errAnswers
		}
		return err
	})
	if err != nil {
		return batch, err
	}
	// A slot of a webhook that was at its bound is free again.
	signal(r.wakes)
	var left []settled
	for i, answer := range answers {
		if answer.State == store.FinishUnavailable {
			left = append(left, batch[i])
			continue
		}
		_ = r.guard("report", func() error {
			r.report(ctx, &batch[i], answer)
			return nil
		})
	}
	if len(left) > 0 {
		r.opts.Logger.WarnContext(ctx, "webhook results wait: a part of the store is out of reach", slog.Int("results", len(left)))
	}
	return left, nil
}

// insist stores results again and again. A group that the store refuses is tried in
// halves the next time, until what it cannot store stands alone. Results are kept for
// one lease beyond their own, because the store takes them as long as nobody has
// claimed the delivery anew.
func (r *run) insist(ctx context.Context, batch []settled) {
	pause := backoff{}
	for groups := [][]settled{batch}; len(groups) > 0; {
		if !pause.wait(ctx) {
			r.lost(ctx, slices.Concat(groups...))
			return
		}
		var mu sync.Mutex
		var next [][]settled
		var tries errgroup.Group
		tries.SetLimit(lateTries)
		for _, group := range groups {
			group = r.fresh(ctx, group)
			if len(group) == 0 {
				continue
			}
			tries.Go(func() error {
				left, err := r.settle(ctx, group)
				mu.Lock()
				defer mu.Unlock()
				switch half := len(left) / 2; {
				case err != nil && half > 0:
					next = append(next, left[:half], left[half:])
				case len(left) > 0:
					next = append(next, left)
				}
				return nil
			})
		}
		_ = tries.Wait() // None returns an error.
		groups = next
	}
}

// fresh drops the results of deliveries that another dispatcher must have by now.
func (r *run) fresh(ctx context.Context, group []settled) []settled {
	now := time.Now()
	var kept, old []settled
	for _, s := range group {
		if now.Before(s.at.Add(2 * r.opts.Lease)) {
			kept = append(kept, s)
		} else {
			old = append(old, s)
		}
	}
	r.lost(ctx, old)
	return kept
}

func (r *run) lost(ctx context.Context, batch []settled) {
	if len(batch) > 0 {
		r.opts.Logger.ErrorContext(ctx, "webhook results lost; the deliveries will be tried again",
			slog.Int("results", len(batch)))
	}
}

// report tells observer and log what a stored result means.
func (r *run) report(ctx context.Context, s *settled, answer store.Finished) {
	log := r.opts.Logger
	if answer.State == store.FinishStale || answer.State == store.FinishGone {
		log.DebugContext(ctx, "webhook result not needed", slog.String("state", string(answer.State)),
			slog.String("delivery_id", s.result.DeliveryID))
		return
	}
	s.info.Disabled = answer.Disabled
	level := slog.LevelDebug
	switch s.result.Outcome {
	case store.Succeeded:
		s.info.Status = DeliverySucceeded
	case store.Failed:
		s.info.Status = DeliveryFailed
		level = slog.LevelWarn
	case store.Retry:
		s.info.Status, s.info.RetryIn = DeliveryPending, s.result.Delay
		level = slog.LevelInfo
	case store.Released:
		s.info.Status, s.info.RetryIn = DeliveryPending, s.result.Delay
	}
	r.alarm(s, answer)
	r.opts.Observer.settled(ctx, s.info)
	r.logAttempt(ctx, level, s.result.Outcome, &s.info)
	if answer.Disabled {
		log.LogAttrs(ctx, slog.LevelWarn, "webhook disabled by its failures",
			slog.String("merchant_id", s.result.MerchantID), slog.String("webhook_id", s.result.WebhookID))
		if len(r.opts.Probe) > 0 {
			select {
			case r.disabled <- [2]string{s.result.MerchantID, s.result.WebhookID}:
			default: // The store takes no jobs, or slowly. Results must not wait for it.
			}
		}
	}
}
