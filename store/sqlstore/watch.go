package sqlstore

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// watches are the calls of Watch of this process.
type watches struct {
	mu  sync.Mutex
	all map[*func()]bool
}

// wake calls everybody who watches.
func (w *watches) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for f := range w.all {
		(*f)()
	}
}

func (w *watches) add(f *func()) (remove func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*func()]bool{}
	}
	w.all[f] = true
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, f)
	}
}

// Wake tells the dispatchers of this process to look at once, and in PostgreSQL those of
// other processes that listen: see [Options].Listen. Call it after the commit of a transaction that
// has published. Without it they find out within [Options].PollInterval.
//
// It returns at once. Others are told by one statement on a connection of the store's database, at
// most one each 10 milliseconds, and one a second while nobody listens. If that fails, they find
// out as without it.
func (s *Store) Wake() {
	s.watches.wake()
	if s.bell != nil {
		s.bell.pull()
	}
}

// ListenFunc calls heard for each NOTIFY of a channel, with its payload, and with an empty one when
// it has begun to listen, as what was said before is lost. While it listens it holds, in the same
// session, a shared advisory lock with the key
//
//	hashtextextended(channel, 7313)
//
// by which others see that somebody does. It blocks until ctx ends and then returns nil. An error
// ends the call of Watch.
type ListenFunc func(ctx context.Context, channel string, heard func(payload string)) error

// Watch implements [store.Queue]. It wakes at once for what this process does, and for what others
// do if it listens; else for that within [Options].PollInterval, which costs one statement each time.
func (s *Store) Watch(ctx context.Context, wake func()) error {
	defer s.watches.add(&wake)()
	wake()
	if s.opts.Listen == nil {
		return s.poll(ctx, wake)
	}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return s.poll(ctx, wake) })
	both.Go(func() error {
		return s.opts.Listen(ctx, s.channel(), func(payload string) {
			if payload != s.self {
				wake()
			}
		})
	})
	return both.Wait()
}

func (s *Store) poll(ctx context.Context, wake func()) error {
	before := ""
	tick := time.NewTicker(s.opts.PollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := ""
		_, err := s.one(ctx, s.reads, "watch", func(r scan) error { return r(&now) })
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case now != before:
			before = now
			wake()
		}
	}
}
