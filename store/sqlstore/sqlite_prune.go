package sqlstore

import "context"

// ended is a delivery that retention removes.
type ended struct {
	place

	event    int64
	ok, test bool
	attempts int64
}

func (s *sqlite) prune(ctx context.Context, p pruneStep, limit int) (n int, err error) {
	err = s.run(ctx, limit, func(w *writing) error {
		before := w.now - p.age
		switch p.kind {
		case prunedPaused:
			n, err = w.giveUp(ctx, before, p.code, limit)
		case prunedAge:
			n, err = w.remove(ctx, "old", before, limit)
		case prunedCount:
			n, err = w.removeBeyond(ctx, p.keep, limit)
		case prunedEvents:
			n, err = w.count(ctx, p.kind, firstID(before), limit)
		default:
			n, err = w.count(ctx, p.kind, w.now, p.age, limit)
		}
		return err
	})
	return n, err
}

// count runs a statement and says how much it has changed.
func (w *writing) count(ctx context.Context, name string, args ...any) (int, error) {
	n, err := w.s.exec(ctx, w, name, args...)
	return int(n), err
}

// giveUp ends deliveries that wait for a disabled webhook and were made before a moment.
func (w *writing) giveUp(ctx context.Context, before int64, code string, limit int) (int, error) {
	if err := w.flush(ctx); err != nil {
		return 0, err
	}
	var list []place
	err := w.s.each(ctx, w, "paused", func(r scan) error {
		var p place
		err := r(&p.wh, &p.id)
		list = append(list, p)
		return err
	}, firstID(before), w.now, limit)
	for i := 0; i < len(list) && err == nil; i++ {
		var l *line
		if l, err = w.line(ctx, list[i].wh); err != nil { // It takes back what was leased for too long.
			break
		}
		l.pending--
		l.failed++
		l.ask()
		_, err = w.s.exec(ctx, w, "give_up", list[i].wh, list[i].id, w.now, code, false)
	}
	return len(list), err
}

// remove forgets those deliveries that a statement finds, and counts them.
func (w *writing) remove(ctx context.Context, name string, args ...any) (n int, err error) {
	var list []ended
	err = w.s.each(ctx, w, name, func(r scan) error {
		var d ended
		err := r(&d.wh, &d.id, &d.event, &d.ok, &d.test, &d.attempts)
		list = append(list, d)
		return err
	}, args...)
	for i := 0; i < len(list) && err == nil; i++ {
		err = w.removeOne(ctx, list[i], &n)
	}
	return n, err
}

func (w *writing) removeOne(ctx context.Context, d ended, n *int) error {
	l, err := w.line(ctx, d.wh)
	if err != nil {
		return err
	}
	if l != nil { // else the webhook was deleted
		*n++
		if d.ok {
			l.ok--
		} else {
			l.failed--
		}
		l.attempts -= d.attempts
		if !d.test {
			l.pruned = max(l.pruned, millis(madeAt(d.id)))
		}
		l.changed = true
	}
	_, err = w.s.exec(ctx, w, "forget", d.wh, d.id, d.event)
	return err
}

// removeBeyond forgets deliveries of webhooks that have more than keep of what has ended.
func (w *writing) removeBeyond(ctx context.Context, keep, limit int) (n int, err error) {
	if err := w.flush(ctx); err != nil {
		return 0, err
	}
	var whs, beyond []int64
	err = w.s.each(ctx, w, "full", func(r scan) error {
		var wh, more int64
		err := r(&wh, &more)
		whs, beyond = append(whs, wh), append(beyond, more)
		return err
	}, keep, limit)
	for i := 0; i < len(whs) && n < limit && err == nil; i++ {
		var some int
		some, err = w.remove(ctx, "first", whs[i], min(int64(limit-n), beyond[i]))
		n += some
	}
	return n, err
}

func (s *sqlite) pruneRest(ctx context.Context, limit int) (more bool, err error) {
	err = s.run(ctx, limit, func(w *writing) error {
		more, err = w.rest(ctx, limit)
		return err
	})
	return more, err
}

// rest removes what nobody can ask for, up to limit records of a kind.
func (w *writing) rest(ctx context.Context, limit int) (more bool, err error) {
	n, err := w.count(ctx, "rest", w.now, limit)
	if err != nil || n == limit {
		return true, err
	}
	var whs []int64
	err = w.s.each(ctx, w, "gone", func(r scan) error {
		var wh int64
		err := r(&wh)
		whs = append(whs, wh)
		return err
	})
	for _, wh := range whs {
		for _, name := range []string{"gone_queue", "gone_delivery", "gone_attempt", "gone_again"} {
			if err != nil || n >= limit {
				return true, err
			}
			var some int
			some, err = w.count(ctx, name, wh, limit)
			n += some
		}
		if err == nil && n < limit {
			_, err = w.s.exec(ctx, w, "gone_delete", wh)
		}
	}
	return n >= limit, err
}
