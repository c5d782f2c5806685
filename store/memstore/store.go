package memstore

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Options configures a [Store].
type Options struct {
	// Now is the store's clock; it is read to the millisecond. It is called under
	// the store's lock, so it must not call the store. Defaults to [time.Now].
	Now func() time.Time

	// MaxSeen is how many ids the store's role of [store.Seen] remembers. Beyond
	// it, the id that was committed first is forgotten first; one that is being
	// processed never is. Defaults to 100,000.
	MaxSeen int
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxSeen <= 0 {
		o.MaxSeen = 100_000
	}
	return o
}

// Store keeps everything in the memory of this process. It is safe for
// concurrent use and needs no closing.
type Store struct {
	opts Options
	seen seen

	mu        sync.Mutex
	merchants map[string]*merchant
	seq       uint64 // of the last record made

	// cap is the PerWebhook of the last claim.
	cap int

	// The second level of the queue. A webhook that has fewer than cap leases is
	// in ready under the key of the first delivery that it would give away, now or
	// later, but not before its bucket has a token. One that has leases is in
	// expiring under the end of the first.
	ready    heap[*webhook]
	expiring heap[*webhook]

	// What Prune looks for: webhooks by the end of their oldest ended delivery, by
	// how many of those they have, and disabled ones by a time before which no
	// delivery that is paused was created; and events without pending deliveries
	// by creation.
	oldest  heap[*webhook]
	fullest heap[*webhook]
	paused  heap[*webhook]
	idle    heap[*event]

	notices notices
	waiting int64 // deliveries that have not ended

	// announced is the latest moment that a claimer was told to come back at, if
	// nothing woke it since. alarm says that it has to be woken.
	announced int64
	alarm     bool
	watchers  []*watcher // replaced when it changes
	sweeping  int        // DeleteWebhook calls that have not finished
}

var _ store.Store = (*Store)(nil)

// New returns an empty store. A nil opts is the default.
func New(opts *Options) *Store {
	var o Options
	if opts != nil {
		o = *opts
	}
	o = o.withDefaults()
	webhooks := func(place func(*webhook) *int32) heap[*webhook] { return heap[*webhook]{place: place} }
	return &Store{
		opts:      o,
		seen:      newSeen(o.MaxSeen),
		merchants: map[string]*merchant{},
		cap:       math.MaxInt,
		ready:     webhooks(func(w *webhook) *int32 { return &w.inReady }),
		expiring:  webhooks(func(w *webhook) *int32 { return &w.inExpiring }),
		oldest:    webhooks(func(w *webhook) *int32 { return &w.inOldest }),
		fullest:   webhooks(func(w *webhook) *int32 { return &w.inFullest }),
		paused:    webhooks(func(w *webhook) *int32 { return &w.inPaused }),
		idle:      heap[*event]{place: func(e *event) *int32 { return &e.inIdle }},
		notices:   newNotices(),
		announced: math.MaxInt64,
	}
}

// lock takes the lock and tells the time. It fails if ctx has ended.
func (s *Store) lock(ctx context.Context) (now int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	return s.now(), nil
}

// unlock gives the lock back and then calls the watchers if there is need.
func (s *Store) unlock() {
	var wake []*watcher
	if s.alarm {
		wake = s.watchers
		s.alarm = false
		s.announced = math.MinInt64 // Whoever was told anything is told anew.
	}
	s.mu.Unlock()
	for _, w := range wake {
		w.wake()
	}
}

func (s *Store) now() int64 { return s.opts.Now().UnixMilli() }

func (s *Store) next() uint64 {
	s.seq++
	return s.seq
}

// merchant returns a merchant, which it makes if there is none.
func (s *Store) merchant(id string) *merchant {
	m := s.merchants[id]
	if m == nil {
		m = newMerchant(id)
		s.merchants[id] = m
	}
	return m
}

// leave forgets a merchant of which nothing is left.
func (s *Store) leave(m *merchant) {
	if len(m.webhooks)+m.events.n == 0 && s.merchants[m.id] == m {
		delete(s.merchants, m.id)
	}
}

// webhook finds a webhook or nil.
func (s *Store) webhook(merchantID, webhookID string) *webhook {
	m := s.merchants[merchantID]
	if m == nil {
		return nil
	}
	return m.webhooks[webhookID]
}

type watcher struct {
	wake func()
}

// Watch implements [store.Queue]. It returns nil when ctx ends, and no error.
// A wake that is under way may end after Watch has returned.
func (s *Store) Watch(ctx context.Context, wake func()) error {
	w := &watcher{wake}
	s.mu.Lock()
	s.watchers = append(slices.Clip(s.watchers), w)
	s.mu.Unlock()
	wake()
	<-ctx.Done()
	s.mu.Lock()
	s.watchers = slices.DeleteFunc(slices.Clone(s.watchers), func(o *watcher) bool { return o == w })
	s.mu.Unlock()
	return nil
}
