package sqlstore

import "context"

func (s *sqlite) expedite(ctx context.Context, at place) (pending bool, err error) {
	err = s.run(ctx, 1, func(w *writing) error {
		l, err := w.line(ctx, at.wh) // It takes back what was leased for too long.
		if err != nil || l == nil {
			pending = false
			return err
		}
		if _, err := s.exec(ctx, w, "expedite", at.wh, at.id, w.now); err != nil {
			return err
		}
		l.ask()
		_, err = s.one(ctx, w, "pending", func(r scan) error { return r(&pending) }, at.wh, at.id)
		return err
	})
	return pending, err
}

func (s *sqlite) cancel(ctx context.Context, wh int64, one place, c cancelling) (out cancelled, err error) {
	err = s.run(ctx, c.limit, func(w *writing) error {
		out, err = w.cancel(ctx, wh, one, c)
		return err
	})
	return out, err
}

// cancel ends deliveries of a webhook, also leased ones.
func (w *writing) cancel(ctx context.Context, wh int64, one place, c cancelling) (out cancelled, err error) {
	l, err := w.line(ctx, wh)
	if err != nil || l == nil {
		return out, err
	}
	out.through = c.through
	if out.through == 0 {
		if _, err := w.s.one(ctx, w, "cancel_last", func(r scan) error { return r(&out.through) }, wh); err != nil {
			return out, err
		}
	}
	var id any
	if one != (place{}) {
		id = one.id
	}
	var ids []int64
	var leased []bool
	err = w.s.each(ctx, w, "cancel_list", func(r scan) error {
		var id int64
		var has bool
		err := r(&id, &has)
		ids, leased = append(ids, id), append(leased, has)
		return err
	}, wh, c.after, out.through, c.limit, id)
	for i := 0; i < len(ids) && err == nil; i++ {
		if leased[i] {
			l.unlease()
		}
		l.pending--
		l.failed++
		_, err = w.s.exec(ctx, w, "give_up", wh, ids[i], w.now, c.code, true)
	}
	l.ask()
	out.deliveries = len(ids)
	if id == nil && len(ids) == c.limit {
		out.last = ids[len(ids)-1]
	}
	return out, err
}
