package sqlstore

import (
	"context"
	"sync"
	"time"
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

// Wake tells the dispatchers of this process to look at once. Call it after the commit of
// a transaction that has published. Without it they find out within
// [Options].PollInterval.
func (s *Store) Wake() { s.watches.wake() }

// Watch implements [store.Queue]. It wakes at once for what this process does, and within
// [Options].PollInterval for what others do, which costs one statement each time.
func (s *Store) Watch(ctx context.Context, wake func()) error {
	defer s.watches.add(&wake)()
	wake()
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
