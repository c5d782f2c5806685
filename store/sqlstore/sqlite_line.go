package sqlstore

import (
	"context"
	"database/sql"
	"math"
)

// never is after every moment of a clock.
const never = math.MaxInt64

// writing is a transaction of the only writer there is. What it knows of webhooks it reads
// and writes once, however many calls share it.
type writing struct {
	querier

	s   *sqlite
	tx  *sql.Tx // unless it is a caller's
	now int64

	last  int64 // the last id that was given
	drawn bool  // last was read
	lines map[int64]*line
	subs  map[[2]string][]subscriber // by merchant and type
}

func (s *sqlite) writing(q querier) *writing {
	w := &writing{querier: q, s: s}
	w.forget()
	return w
}

// forget drops what it knows. The caller has flushed it, or fails.
func (w *writing) forget() {
	w.lines, w.subs = map[int64]*line{}, map[[2]string][]subscriber{}
}

// newID returns an id that is greater than all others.
func (w *writing) newID(ctx context.Context) (int64, error) {
	if !w.drawn {
		if _, err := w.s.one(ctx, w, "last", func(r scan) error { return r(&w.last) }); err != nil {
			return 0, err
		}
		w.drawn = true
	}
	w.last = max(w.last+1, firstID(w.now))
	return w.last, nil
}

// line is the row of ready of a webhook.
type line struct {
	wh           int64
	active       bool
	rate         int
	level, taken int64
	epoch        int64
	streak       int
	failing      int64
	unwell       int64
	succeeded    int64
	disablings   int64
	disabler     place // the token in place of the webhook
	held         int64 // until then nothing but tests is claimable
	capped       bool
	turn         int64 // or never
	inflight     int64
	leaseNext    int64 // or never; not after the end of any lease
	pruned       int64

	pending, ok, failed, attempts int64

	changed bool // it has to be written
	unsure  bool // turn has to be found out
}

// line returns that of a webhook, or nil if there is none. Leases that have ended were taken
// back.
func (w *writing) line(ctx context.Context, wh int64) (*line, error) {
	if l := w.lines[wh]; l != nil {
		return l, nil
	}
	l := &line{wh: wh}
	var turn, leaseNext sql.NullInt64
	read := func(r scan) error {
		return r(&l.active, &l.rate, &l.level, &l.taken, &l.epoch, &l.streak, &l.failing, &l.unwell, &l.succeeded, &l.disablings, &l.disabler.id, &l.disabler.wh,
			&l.held, &l.capped, &turn, &l.inflight, &leaseNext, &l.pruned, &l.pending, &l.ok, &l.failed, &l.attempts)
	}
	found, err := w.s.one(ctx, w, "line", read, wh)
	if err == nil && !found {
		if found, err = w.mendLine(ctx, wh); found {
			_, err = w.s.one(ctx, w, "line", read, wh)
			l.ask()
		}
	}
	if err != nil || !found {
		return nil, err
	}
	l.turn, l.leaseNext = moment(turn), moment(leaseNext)
	w.lines[wh] = l
	if l.leaseNext <= w.now {
		err = w.recover(ctx, l)
	}
	return l, err
}

// moment turns null into never, and null is the reverse.
func moment(n sql.NullInt64) int64 {
	if !n.Valid {
		return never
	}
	return n.Int64
}

func null(at int64) sql.NullInt64 { return sql.NullInt64{Int64: at, Valid: at != never} }

// flush writes what has changed.
func (w *writing) flush(ctx context.Context) error {
	for _, l := range w.lines {
		if l.unsure {
			if err := w.rekey(ctx, l, w.now); err != nil {
				return err
			}
		}
		if !l.changed {
			continue
		}
		l.changed = false
		_, err := w.s.exec(ctx, w, "line_write", l.wh, l.active, l.rate, l.level, l.taken, l.epoch, l.streak, l.failing, l.disablings,
			l.disabler.id, l.disabler.wh, l.held, l.capped, null(l.turn), l.inflight, null(l.leaseNext), l.pruned, l.pending, l.ok, l.failed, l.attempts, l.unwell, l.succeeded)
		if err != nil {
			return err
		}
	}
	if !w.drawn {
		return nil
	}
	w.drawn = false
	_, err := w.s.exec(ctx, w, "last_write", w.last)
	return err
}

// recover takes back leases that have ended.
func (w *writing) recover(ctx context.Context, l *line) error {
	had := l.inflight
	first, err := w.leases(ctx, l)
	if err != nil {
		return err
	}
	if first > w.now {
		if l.inflight < had { // Some are gone.
			l.capped = false
			l.ask()
		}
		return nil
	}
	if _, err := w.s.exec(ctx, w, "expire", l.wh, w.now); err != nil {
		return err
	}
	if _, err := w.leases(ctx, l); err != nil {
		return err
	}
	l.capped = false
	return w.rekey(ctx, l, first)
}

// leases finds out how many leases there are, and when the first one ends.
func (w *writing) leases(ctx context.Context, l *line) (first int64, err error) {
	var at sql.NullInt64
	_, err = w.s.one(ctx, w, "line_leases", func(r scan) error { return r(&at, &l.inflight) }, l.wh)
	l.leaseNext, l.changed = moment(at), true
	return l.leaseNext, err
}

// ask has the turn of l found out before it is written.
func (l *line) ask() { l.unsure, l.changed = true, true }

// rekey puts l in line after a change at the given moment. One that is claimable before and
// after it keeps its turn.
func (w *writing) rekey(ctx context.Context, l *line, changed int64) error {
	var due, test sql.NullInt64
	if _, err := w.s.one(ctx, w, "line_turn", func(r scan) error { return r(&due, &test) }, l.wh); err != nil {
		return err
	}
	first := moment(test)
	if l.active {
		first = min(first, max(moment(due), l.held))
	}
	at := l.claimable(first)
	if at == never {
		l.turn = never
	} else if max(l.turn, at) > changed {
		l.turn = max(at, changed)
	}
	l.unsure, l.changed = false, true
	return nil
}

// added puts l in line for a delivery that waits from now on, and counted already.
func (l *line) added(due, now int64, test bool) {
	if !test {
		due = max(due, l.held)
	}
	if l.active || test {
		if at := l.claimable(due); at != never {
			l.turn = min(l.turn, max(at, now))
		}
	}
	l.changed = true
}

// claimable is from when on something can be taken that is due at the given moment.
func (l *line) claimable(due int64) int64 {
	switch {
	case l.capped || due == never:
		return never
	case l.rate <= 0 || l.level >= token:
		return due
	default:
		return max(due, l.taken+(token-l.level+int64(l.rate)-1)/int64(l.rate))
	}
}

// tokens is how many deliveries the bucket of l has room for.
func (l *line) tokens(now int64) int64 {
	if l.rate <= 0 {
		return never
	}
	return bucket(l.rate, l.level, l.taken, now) / token
}

// lease notes n more leases.
func (l *line) lease(n, now, until int64, perWebhook int) {
	if n > 0 {
		if l.rate > 0 {
			l.level, l.taken = bucket(l.rate, l.level, l.taken, now)-token*n, now
		}
		l.inflight += n
		l.leaseNext = min(l.leaseNext, until)
	}
	l.capped, l.changed = l.inflight >= int64(perWebhook), true
}

// unlease notes one lease less.
func (l *line) unlease() {
	if l.inflight--; l.inflight == 0 {
		l.leaseNext = never
	}
	if l.capped {
		l.capped = false
		l.ask()
	}
}
