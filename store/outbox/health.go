package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// MaxCounted is how far [Box.Backlog] counts.
const MaxCounted = 10_000

// Backlog is how much a box has.
type Backlog struct {
	Waiting  int           // committed events that are not relayed, up to MaxCounted
	Oldest   time.Duration // since when the first of them waits; 0 if none does
	SetAside int           // events that somebody has to put back or drop, up to MaxCounted
}

// Backlog counts what waits and what is set aside. It looks at no more than [MaxCounted]
// records of each.
func (b *Box) Backlog(ctx context.Context) (out Backlog, err error) {
	const count = "(select count(*) from (select 1 from @outbox where state = %d limit %d) c)"
	statement := fmt.Sprintf("select "+count+", "+count+", coalesce((select @now - at from @outbox where state = 0 order by id limit 1), 0)",
		waiting, MaxCounted, setAside, MaxCounted)
	var oldest int64
	err = b.each(ctx, b.db, statement, 0, func(scan func(...any) error) error { return scan(&out.Waiting, &out.SetAside, &oldest) })
	if err != nil {
		return Backlog{}, fmt.Errorf("outbox: backlog: %w", err)
	}
	out.Oldest = max(0, time.Duration(oldest)*time.Millisecond)
	return out, nil
}

// Health says whether a box works, for a readiness probe and a status page.
type Health struct {
	Ready bool     // the database answers, and for a relay, Run runs and does not fail
	Notes []string // what somebody should look at, in words
}

// String joins the notes, one a line. It is "ok" if there are none.
func (h Health) String() string {
	if len(h.Notes) == 0 {
		return "ok"
	}
	return strings.Join(h.Notes, "\n")
}

// late is how long an event may wait before one asks whether a relay runs.
const late = time.Minute

// Health asks the database how much waits. Bound ctx: a database that hangs is asked until it
// ends.
func (b *Box) Health(ctx context.Context) Health {
	l, err := b.Backlog(ctx)
	if err != nil {
		return Health{Notes: []string{fmt.Sprint("the outbox does not answer: ", err)}}
	}
	h := Health{Ready: true}
	if l.Oldest > late {
		h.Notes = append(h.Notes, fmt.Sprintf("%s wait in the outbox, the oldest for %s: does a relay run?", counted(l.Waiting), l.Oldest.Round(time.Second)))
	}
	if l.SetAside > 0 {
		h.Notes = append(h.Notes, counted(l.SetAside)+" of the outbox are set aside: put them back or drop them")
	}
	return h
}

func counted(n int) string {
	if n >= MaxCounted {
		return fmt.Sprintf("%d or more events", n)
	}
	return fmt.Sprintf("%d events", n)
}

// Health is that of the box, and adds what Run meets now.
func (r *Relay) Health(ctx context.Context) Health {
	h := r.box.Health(ctx)
	if r.running.Load() == 0 {
		h.Ready, h.Notes = false, append(h.Notes, "Run of the outbox's relay is not running")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.trouble; t.err != nil {
		h.Ready, h.Notes = false, append(h.Notes, fmt.Sprintf("relaying has failed for %s: %v", time.Since(t.since).Round(time.Second), t.err))
	}
	return h
}

// trouble is what a relay meets now.
type trouble struct {
	err         error // nil: nothing
	since, said time.Time
}

// note notes how a step has ended, and logs when failing begins, lasts and ends.
func (r *Relay) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // The end of ctx says nothing.
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t, now := &r.trouble, time.Now()
	switch {
	case err == nil && t.err != nil:
		r.opts.Logger.InfoContext(ctx, "webhook outbox relays again", slog.Duration("lasted", now.Sub(t.since)))
	case err != nil && t.err == nil:
		t.since = now
		fallthrough
	case err != nil && now.Sub(t.said) > time.Minute:
		t.said = now
		r.opts.Logger.ErrorContext(ctx, "webhook outbox cannot relay", slog.Any("error", err))
	}
	t.err = err
}
