package webhook

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/rag-assistant/webhooks/store"
)

const (
	// noticeLease is how long a notice is with one dispatcher.
	noticeLease = time.Minute
	// noticeCalls is how many notices one dispatcher hands over at the same time.
	noticeCalls = 8
	// A notice that was not taken waits between these.
	minNoticeDelay = time.Minute
	maxNoticeDelay = time.Hour
)

// notify hands notices to OnNotice until ctx ends, and waits for the calls under
// way.
func (r *run) notify(ctx context.Context) {
	if r.opts.OnNotice == nil {
		return
	}
	var calls sync.WaitGroup
	defer calls.Wait()
	slots := semaphore.NewWeighted(noticeCalls)
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.notices:
		}
		for more := true; more && slots.Acquire(ctx, 1) == nil; {
			n := 1
			for n < noticeCalls && slots.TryAcquire(1) {
				n++
			}
			due := r.claimNotices(ctx, n)
			slots.Release(int64(n - len(due)))
			for _, notice := range due {
				calls.Go(func() {
					defer slots.Release(1)
					r.handOver(ctx, notice)
				})
			}
			more = len(due) == n
		}
	}
}

// claimNotices claims up to n notices, and none if that fails.
func (r *run) claimNotices(ctx context.Context, n int) []store.NoticeLease {
	var due []store.NoticeLease
	err := r.lingering(ctx, "claim notices", func(ctx context.Context) (err error) {
		due, err = r.store.ClaimNotices(ctx, n, noticeLease)
		if err == nil && len(due) > n {
			err = errAnswers
		}
		return err
	})
	if err != nil {
		return nil
	}
	return due
}

// handOver calls OnNotice and stores what came of it. A notice that was not taken
// comes back after a pause that grows, and at once if this dispatcher has to stop.
func (r *run) handOver(ctx context.Context, n store.NoticeLease) {
	err := ctx.Err()
	if err == nil {
		err = r.guard("OnNotice", func() error {
			ctx, cancel := context.WithTimeout(ctx, noticeLease-storeTimeout)
			defer cancel()
			r.probeAnyhow(ctx, &n.Notice)
			notice := newNotice(&n.Notice)
			r.countMissed(ctx, &notice)
			return r.opts.OnNotice(ctx, notice)
		})
	}
	stopped := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		_ = r.call(ctx, "acknowledge notice", func(ctx context.Context) error {
			return r.store.AckNotice(ctx, n.MerchantID, n.ID)
		})
		return
	}
	delay := min(max(time.Since(n.At)/2, minNoticeDelay), maxNoticeDelay)
	if stopped {
		delay = 0
	}
	_ = r.call(ctx, "put off notice", func(ctx context.Context) error {
		return r.store.DeferNotice(ctx, n.MerchantID, n.ID, n.Token, delay)
	})
}

// probeAnyhow sees to it that a webhook is probed of which a notice says that it was
// disabled, for the process that did it may have died. Before the first pause is over, its
// probe cannot have ended.
func (r *run) probeAnyhow(ctx context.Context, n *store.Notice) {
	if n.Kind == store.NoticeDisabled && len(r.opts.Probe) > 0 && time.Since(n.At) < r.opts.Probe[0] {
		r.addProbe(ctx, n.MerchantID, n.WebhookID)
	}
}

// countMissed counts the events that a webhook missed until a probe enabled it. What
// cannot be counted may be more.
func (r *run) countMissed(ctx context.Context, n *Notice) {
	if n.Kind != NoticeEnabled {
		return
	}
	p := replaying{WebhookID: n.WebhookID, Since: n.Since, Until: n.At, Missed: true}
	n.MissedMore = true
	for range countSteps {
		more, err := p.step(ctx, r.store, n.MerchantID, "")
		n.Missed, n.MissedMore = p.Done.Deliveries, more || err != nil
		if !n.MissedMore || err != nil {
			return
		}
	}
}
