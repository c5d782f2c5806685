package sqlstore

import (
	"context"
	"sync"
	"time"
)

const (
	// bellEvery is the least time from one NOTIFY of a process to the next. Each takes a lock
	// that all commits of the server with one share.
	bellEvery = 10 * time.Millisecond
	// bellQuiet is for how long nobody is told after nobody has listened.
	bellQuiet = time.Second
	// bellTimeout bounds the wait for a connection and the statement.
	bellTimeout = time.Second
)

// bell tells other processes to look: after commits, outside of anybody's transaction, and no
// more often than it has to. Nothing of it is left when there is nothing to tell.
type bell struct {
	ring func(ctx context.Context) (heard bool, err error)

	mu    sync.Mutex
	busy  bool      // it rings, or will
	again bool      // pulled since it began to ring
	next  time.Time // not before
	quiet time.Time // until then nobody listens
}

// pull rings soon after it was called, once for all calls of a moment.
func (b *bell) pull() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.again = true
	if !b.busy && !time.Now().Before(b.quiet) {
		b.busy = true
		time.AfterFunc(time.Until(b.next), b.run)
	}
}

func (b *bell) run() {
	b.mu.Lock()
	b.again = false
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), bellTimeout)
	defer cancel()
	heard, err := b.ring(ctx)

	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = time.Now().Add(bellEvery)
	if !heard || err != nil {
		b.busy, b.quiet = false, time.Now().Add(bellQuiet)
		return
	}
	if b.busy = b.again; b.busy {
		time.AfterFunc(bellEvery, b.run)
	}
}

// channel is what NOTIFY and LISTEN name. A schema is one store.
func (s *Store) channel() string { return s.opts.Schema + "_wake" }

// notifying says whether anybody listens, and tells them. Who listens has a shared lock. Two
// that ask at once may take each other for one; then a NOTIFY goes to nobody.
const notifying = `case when pg_try_advisory_xact_lock(hashtextextended($1, 7313)) then false else pg_notify($1, $2) is not null end`

// notify rings once.
func (s *Store) notify(ctx context.Context) (heard bool, err error) {
	_, err = s.one(ctx, s.db, "notify", func(r scan) error { return r(&heard) }, s.channel(), s.self)
	return heard, err
}
