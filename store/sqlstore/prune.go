package sqlstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Prune implements [store.Queue].
func (s *Store) Prune(ctx context.Context, p store.PruneRequest) (done store.Pruned, err error) {
	done.More, err = s.engine.pruneRest(ctx, batch)
	left := p.Limit
	do := func(wanted bool, into *int, step pruneStep) {
		if err != nil || !wanted {
			return
		}
		if left <= 0 {
			done.More = true
			return
		}
		var n int
		n, err = s.engine.prune(ctx, step, min(left, batch))
		done.More = done.More || n == min(left, batch)
		*into += n
		left -= n
	}
	do(p.PausedAge > 0, &done.Paused, pruneStep{kind: prunedPaused, age: age(p.PausedAge), code: encode(p.PausedCode)})
	do(p.DeliveryAge > 0, &done.Deliveries, pruneStep{kind: prunedAge, age: age(p.DeliveryAge)})
	do(p.DeliveriesPerWebhook > 0, &done.Deliveries, pruneStep{kind: prunedCount, keep: p.DeliveriesPerWebhook})
	do(p.EventAge > 0, &done.Events, pruneStep{kind: prunedEvents, age: age(p.EventAge)})
	do(p.JobAge > 0, &done.Jobs, pruneStep{kind: prunedJobs, age: age(p.JobAge)})
	do(p.NoticeAge > 0, &done.Notices, pruneStep{kind: prunedNotices, age: age(p.NoticeAge)})
	if err == nil && !done.More {
		err = s.sweep(ctx)
	}
	if err == nil {
		done.Damaged, err = s.tell(ctx)
	}
	return done, err
}

// age is that of records in whole milliseconds.
func age(d time.Duration) int64 { return d.Milliseconds() }
