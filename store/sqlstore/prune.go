package sqlstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Prune implements [store.Queue].
func (s *Store) Prune(ctx context.Context, p store.PruneRequest) (done store.Pruned, err error) {
	_, err = s.one(ctx, s.db, "prune_rest", func(r scan) error { return r(&done.More) }, s.now(), batch)
	left := p.Limit
	step := func(wanted bool, into *int, name string, args ...any) {
		if err != nil || !wanted {
			return
		}
		if left <= 0 {
			done.More = true
			return
		}
		n := 0
		_, err = s.one(ctx, s.db, name, func(r scan) error { return r(&n) }, append(args, min(left, batch))...)
		done.More = done.More || n == min(left, batch)
		*into += n
		left -= n
	}
	step(p.PausedAge > 0, &done.Paused, "prune_paused", s.now(), age(p.PausedAge), encode(p.PausedCode))
	step(p.DeliveryAge > 0, &done.Deliveries, "prune_age", s.now(), age(p.DeliveryAge))
	step(p.DeliveriesPerWebhook > 0, &done.Deliveries, "prune_count", p.DeliveriesPerWebhook)
	step(p.EventAge > 0, &done.Events, "prune_events", s.now(), age(p.EventAge))
	if err == nil && p.NoticeAge > 0 {
		if left <= 0 {
			done.More = true
		} else {
			var n int64
			n, err = s.exec(ctx, s.db, "notice_prune", s.now(), age(p.NoticeAge), min(left, batch))
			done.Notices = int(n)
			done.More = done.More || int(n) == min(left, batch)
		}
	}
	return done, err
}

// age is that of records in whole milliseconds.
func age(d time.Duration) int64 { return d.Milliseconds() }
