package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Health tells how a [Service] or a [Dispatcher] is, for a page such as /readyz.
type Health struct {
	// Ready is whether it does its work. A process that is not ready should get no
	// requests until it is.
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
		h.Ready = h.Ready && !slices.Contains([]string{"claim", "finish", "clock"}, t.in)
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
		h.Notes = append(h.Notes, fmt.Sprintf("%d records of the store are damaged and set aside: the log of a dispatcher names each", b.Damaged))
	}
	return h
}

// sayAgain is how often a trouble that lasts is logged.
const sayAgain = time.Minute

// troubles are the calls of the store, and the other works of a dispatcher, that fail
// now or did before.
type troubles struct {
	mu  sync.Mutex
	now map[string]trouble // by what fails
}

type trouble struct {
	in          string
	since, said time.Time
	told        bool  // there was a line since it began
	err         error // nil: it is over
}

// trouble notes how a call of the store, or another work of this process, has ended. It
// tells the observer when a trouble begins and ends, and logs that and, once a minute,
// that it lasts. One that comes and goes has a line a minute. The end of a context says
// nothing.
func (r *run) trouble(ctx context.Context, in string, err error) {
	if isCanceled(err) {
		return
	}
	now, log := time.Now(), r.opts.Logger
	known, turn, say := r.troubles.take(in, err, now)
	if turn {
		r.opts.Observer.trouble(ctx, TroubleInfo{In: in, Since: known.since, Err: err})
	}
	switch {
	case !say:
	case err == nil:
		log.InfoContext(ctx, "webhook failure is over", slog.String("in", in), slog.Duration("lasted", now.Sub(known.since)))
	case turn:
		log.ErrorContext(ctx, "webhook failure", slog.String("in", in), slog.Any("error", err))
	default:
		log.ErrorContext(ctx, "webhook failure", slog.String("in", in), slog.Any("error", err), slog.Duration("lasts", now.Sub(known.since)))
	}
}

// take updates a kind of trouble, and reports whether it has begun or ended, and whether
// that is worth a line.
func (t *troubles) take(in string, err error, now time.Time) (known trouble, turn, say bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known = t.now[in]
	if err == nil && known.err == nil {
		return known, false, false
	}
	turn = err == nil || known.err == nil
	if known.err == nil {
		known.in, known.since, known.told = in, now, false
	}
	known.err = err
	say = now.Sub(known.said) >= sayAgain
	switch {
	case err == nil:
		say = known.told
	case say:
		known.said, known.told = now, true
	}
	if t.now == nil {
		t.now = map[string]trouble{}
	}
	t.now[in] = known
	return known, turn, say
}

// list returns them, the oldest first.
func (t *troubles) list() []trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := slices.SortedFunc(maps.Values(t.now), func(a, b trouble) int { return a.since.Compare(b.since) })
	return slices.DeleteFunc(all, func(t trouble) bool { return t.err == nil })
}
