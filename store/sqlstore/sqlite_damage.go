package sqlstore

import (
	"context"

	"github.com/rag-assistant/webhooks/store"
)

// giveUpLost ends a delivery that waits and whose event is gone.
func (t *taking) giveUpLost(ctx context.Context, l *line, id int64) error {
	if _, err := t.s.exec(ctx, t, "damage_of", t.now, l.wh, id, "delivery", "has no event any more"); err != nil {
		return err
	}
	l.pending--
	l.failed++
	l.ask()
	_, err := t.s.exec(ctx, t, "give_up", l.wh, id, t.now, store.CodeDamaged, true)
	return err
}

// bury leaves what belongs to a webhook without a row to Prune.
func (w *writing) bury(ctx context.Context, wh int64) error {
	_, err := w.s.exec(ctx, w, "damage_of", w.now, wh, nil, "webhook", "has no row any more, so it counts as deleted")
	if err == nil {
		_, err = w.s.exec(ctx, w, "bury", wh)
	}
	delete(w.lines, wh)
	return err
}

// mendLine makes the row of ready anew that a webhook has lost, if it is there.
func (w *writing) mendLine(ctx context.Context, wh int64) (made bool, err error) {
	n, err := w.s.exec(ctx, w, "ready_mend", wh, w.now)
	if err == nil && n > 0 {
		_, err = w.s.exec(ctx, w, "damage_of", w.now, wh, nil, "webhook", "had no row in ready; it was made anew without rate limit and streak")
	}
	return n > 0, err
}

// What is wrong with a webhook, as the statement unlike says.
const (
	lostLine = iota + 1
	lostWebhook
	wrongLine
)

func (s *sqlite) sweep(ctx context.Context, after int64, limit int) (last int64, err error) {
	err = s.run(ctx, 1, func(w *writing) error {
		if err := w.flush(ctx); err != nil {
			return err
		}
		n, wrong := 0, map[int64]int{}
		err := s.each(ctx, w, "unlike", func(r scan) error {
			var what int
			err := r(&last, &what)
			if n++; what != 0 {
				wrong[last] = what
			}
			return err
		}, after, limit)
		if n < limit {
			last = 0
		}
		for wh, what := range wrong {
			if err == nil {
				err = w.mend(ctx, wh, what)
			}
		}
		return err
	})
	return last, err
}

func (w *writing) mend(ctx context.Context, wh int64, what int) error {
	if what == lostWebhook {
		return w.bury(ctx, wh)
	}
	l, err := w.line(ctx, wh) // It makes a row that is lost.
	if err != nil || what == lostLine {
		return err
	}
	if _, err := w.leases(ctx, l); err != nil {
		return err
	}
	l.capped = false
	l.ask()
	if _, err := w.s.one(ctx, w, "line_count", func(r scan) error { return r(&l.pending) }, wh); err != nil {
		return err
	}
	_, err = w.s.exec(ctx, w, "damage_of", w.now, wh, nil, "line", "did not fit the deliveries that wait; it was made anew")
	return err
}
