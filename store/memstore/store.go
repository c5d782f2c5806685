package memstore

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Options configures a [Store].
type Options struct {
	// Now is the store's clock, which is read to the millisecond. It is called under the
	// store's lock, so it must not call the store. Defaults to
	// [time.Now], except that it goes on where the machine's clock is set back, so that
	// nothing waits for it to come there again.
	Now func() time.Time

	// MaxSeen is how many ids of a scope the role of [store.Seen] remembers. Beyond it,
	// the scope's committed id whose time ends first is forgotten. One that is being
	// processed never is. Defaults to 100,000.
	MaxSeen int
}

// Store keeps everything in the memory of this process. It is safe for concurrent use and
// needs no closing.
type Store struct {
	opts Options

	mu        sync.Mutex // guards all that follows, and all records
	seq       uint64     // orders what happens in one millisecond
	merchants map[string]*merchant
	logged    uint64     // no log of a merchant that was forgotten had a greater number
	directory []string   // the merchants that have webhooks, sorted
	troubled  []*webhook // those in trouble, by merchant and id
	waiting   int64      // deliveries that have not ended

	// The upper level of the queue. A webhook that has something to give away, now or
	// later, is in ready: see rekey. One that has leases is in expiring, by the end of the
	// first.
	ready, expiring heap[*webhook]
	perWebhook      int // of the last claim
	claims          map[string]*claim

	// What Prune looks for: webhooks by the end of the delivery that ended first, by how
	// many have ended, and disabled ones by a moment before which no paused delivery was
	// made; and events without pending deliveries, by age.
	oldest, fullest, paused heap[*webhook]
	idle                    heap[*event]

	notices series[notice]
	visible heap[*notice] // by the moment from which on it can be claimed

	seen       map[seenID]*memory
	scopes     map[string]*scope
	held, done heap[*memory] // by the moment at which it is forgotten

	agendas   map[string]*agenda // by merchant
	lastJob   uint64             // no job of an agenda that was forgotten had a greater number
	claimable heap[*job]         // those that have not ended, by the moment from which on each can be claimed
	outdated  heap[*job]         // those that have ended, by when

	watchers  map[*func()]bool
	announced int64 // the latest moment that a claimer was told to come back at, since the last wake
	noticed   bool  // there is a notice or a job that no claimer was told of
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.Volatile = (*Store)(nil)
)

// New returns an empty store. A nil opts is the default.
func New(opts *Options) *Store {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Now == nil {
		o.Now = steady(time.Now, time.Since)
	}
	if o.MaxSeen <= 0 {
		o.MaxSeen = 100_000
	}
	return &Store{
		opts:       o,
		merchants:  map[string]*merchant{},
		perWebhook: math.MaxInt,
		ready:      newHeap(func(w *webhook) *int32 { return &w.inReady }),
		expiring:   newHeap(func(w *webhook) *int32 { return &w.inExpiring }),
		claims:     map[string]*claim{},
		oldest:     newHeap(func(w *webhook) *int32 { return &w.inOldest }),
		fullest:    newHeap(func(w *webhook) *int32 { return &w.inFullest }),
		paused:     newHeap(func(w *webhook) *int32 { return &w.inPaused }),
		idle:       newHeap(func(e *event) *int32 { return &e.inIdle }),
		notices:    series[notice]{prefix: newPrefix("notice_")},
		visible:    newHeap(func(n *notice) *int32 { return &n.place }),
		seen:       map[seenID]*memory{},
		scopes:     map[string]*scope{},
		held:       newHeap(func(m *memory) *int32 { return &m.place }),
		done:       newHeap(func(m *memory) *int32 { return &m.place }),
		agendas:    map[string]*agenda{},
		claimable:  newHeap(func(j *job) *int32 { return &j.place }),
		outdated:   newHeap(func(j *job) *int32 { return &j.place }),
		watchers:   map[*func()]bool{},
		announced:  math.MaxInt64,
	}
}

// Volatile implements [store.Volatile]: all records end with the process.
func (s *Store) Volatile() bool { return true }

// lock begins a call: it takes the lock, puts back what was leased for too long, and
// tells the time. It fails if ctx has ended.
func (s *Store) lock(ctx context.Context) (now int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	now = s.opts.Now().UnixMilli()
	s.recover(now)
	return now, nil
}

// lockWebhook is lock for a call about one webhook. If there is no such webhook, it fails
// and does not keep the lock.
func (s *Store) lockWebhook(ctx context.Context, merchantID, webhookID string) (w *webhook, now int64, err error) {
	if now, err = s.lock(ctx); err != nil {
		return nil, 0, err
	}
	if w = s.webhook(merchantID, webhookID); w == nil {
		s.mu.Unlock()
		return nil, 0, noWebhook(webhookID)
	}
	return w, now, nil
}

func noWebhook(id string) error {
	return fmt.Errorf("memstore: find webhook %s: %w", id, store.ErrNotFound)
}

func noDelivery(id string) error {
	return fmt.Errorf("memstore: find delivery %s: %w", id, store.ErrNotFound)
}

// unlock ends a call. It wakes the watchers if there is something to claim sooner than
// some claimer was told.
func (s *Store) unlock() {
	var wake []*func()
	if s.noticed || s.nextClaimable() < s.announced {
		wake = slices.Collect(maps.Keys(s.watchers))
		s.noticed, s.announced = false, math.MinInt64
	}
	s.mu.Unlock()
	for _, w := range wake {
		(*w)()
	}
}

// Watch implements [store.Queue]. It returns nil when ctx ends, and no error. A wake that
// is under way may end after Watch has returned.
func (s *Store) Watch(ctx context.Context, wake func()) error {
	s.mu.Lock()
	s.watchers[&wake] = true
	s.mu.Unlock()
	wake()
	<-ctx.Done()
	s.mu.Lock()
	delete(s.watchers, &wake)
	s.mu.Unlock()
	return nil
}

// merchant returns a merchant, which it makes if there is none.
func (s *Store) merchant(id string) *merchant {
	m := s.merchants[id]
	if m == nil {
		m = &merchant{
			id: id, webhooks: map[string]*webhook{}, subscribers: map[string][]*webhook{},
			events: map[string]*event{}, log: series[event]{prefix: "event-", gone: s.logged},
		}
		s.merchants[id] = m
	}
	return m
}

// leave forgets a merchant of which nothing is left.
func (s *Store) leave(m *merchant) {
	if len(m.webhooks)+len(m.events) == 0 {
		delete(s.merchants, m.id)
		s.logged = max(s.logged, m.log.last())
	}
}

// webhook returns a webhook, or nil.
func (s *Store) webhook(merchantID, webhookID string) *webhook {
	if m := s.merchants[merchantID]; m != nil {
		return m.webhooks[webhookID]
	}
	return nil
}
