package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Health tells how a [Service] or a [Dispatcher] is, for a page such as /readyz.
type Health struct {
	// Ready is whether it does its work. A process that is not ready should get no
	// requests, and is not mended by a restart.
	Ready bool

	// Notes say in words what is wrong. There may be some of one that is ready. They
	// name the host's own servers and merchants, so they are for operators only.
	Notes []string
}

// String is "ok", or the notes, each on a line.
func (h Health) String() string {
	if len(h.Notes) == 0 {
		return "ok"
	}
	return strings.Join(h.Notes, "\n")
}

// Health asks the store how it is. Bound ctx: a store that hangs is asked until it ends.
func (s *Service) Health(ctx context.Context) Health { return askHealth(ctx, s.store) }

// Health asks the store how it is, and adds what Run meets now. Bound ctx: a store that
// hangs is asked until it ends.
func (d *Dispatcher) Health(ctx context.Context) Health {
	h := askHealth(ctx, d.store)
	if !d.running.Load() {
		h.Ready, h.Notes = false, append(h.Notes, "Run is not running")
	}
	for _, t := range d.troubles.list() {
		h.Notes = append(h.Notes, fmt.Sprintf("%s has failed for %s: %v", t.in, time.Since(t.since).Round(time.Second), t.err))
		h.Ready = h.Ready && t.in != "claim" && t.in != "finish"
	}
	return h
}

func askHealth(ctx context.Context, st store.Backlogs) Health {
	b, err := st.Backlog(ctx)
	if err != nil {
		return Health{Notes: []string{fmt.Sprint("the store does not answer: ", err)}}
	}
	h := Health{Ready: true}
	if b.Damaged > 0 {
		h.Notes = append(h.Notes, fmt.Sprintf("%d records of the store are damaged and set aside", b.Damaged))
	}
	return h
}

// sayAgain is how often a trouble that lasts is logged.
const sayAgain = time.Minute

// troubles are the calls of the store that fail now.
type troubles struct {
	mu  sync.Mutex
	now map[string]*trouble // by what calls
}

type trouble struct {
	in          string
	since, said time.Time
	err         error
}

// note takes in how a call has ended. It logs the beginning of a trouble, that it lasts,
// and its end. The end of a context says nothing.
func (t *troubles) note(ctx context.Context, log *slog.Logger, in string, err error) {
	if isCanceled(err) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	known, now := t.now[in], time.Now()
	switch {
	case err == nil && known != nil:
		delete(t.now, in)
		log.InfoContext(ctx, "webhook failure is over", slog.String("in", in), slog.Duration("lasted", now.Sub(known.since)))
	case err != nil && known == nil:
		if t.now == nil {
			t.now = map[string]*trouble{}
		}
		t.now[in] = &trouble{in: in, since: now, said: now, err: err}
		log.ErrorContext(ctx, "webhook failure", slog.String("in", in), slog.Any("error", err))
	case err != nil:
		known.err = err
		if now.Sub(known.said) >= sayAgain {
			known.said = now
			log.ErrorContext(ctx, "webhook failure", slog.String("in", in), slog.Any("error", err), slog.Duration("lasts", now.Sub(known.since)))
		}
	}
}

// list returns them, the oldest first.
func (t *troubles) list() []trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []trouble
	for _, known := range t.now {
		out = append(out, *known)
	}
	slices.SortFunc(out, func(a, b trouble) int { return a.since.Compare(b.since) })
	return out
}
