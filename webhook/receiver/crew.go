package receiver

import (
	"context"
	"sync"

	"github.com/rag-assistant/webhooks/store"
)

// crew runs functions on a bounded number of goroutines, which exist only while
// there is something to do.
type crew struct {
	workers, queue int

	mu      sync.Mutex
	busy    int
	waiting []func()
	closed  bool
	drained chan struct{} // closed when the crew is closed and has no work left
}

// add runs f now or later. It reports false if there is no room for it.
func (c *crew) add(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return false
	case c.busy < c.workers:
		c.busy++
		go c.work(f)
		return true
	case len(c.waiting) < c.queue:
		c.waiting = append(c.waiting, f)
		return true
	}
	return false
}

// work runs f, and then functions that wait, until none does. One that ends its goroutine
// leaves the rest to another one.
func (c *crew) work(f func()) {
	defer func() {
		if f == nil {
			return
		}
		if f = c.next(); f != nil {
			go c.work(f)
		}
	}()
	for f != nil {
		f()
		f = c.next()
	}
}

func (c *crew) next() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) > 0 {
		f := c.waiting[0]
		c.waiting[0] = nil // Lets go of its event.
		c.waiting = c.waiting[1:]
		return f
	}
	c.busy--
	if c.closed && c.busy == 0 {
		close(c.drained)
	}
	return nil
}

func (c *crew) close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed, c.drained = true, make(chan struct{})
		if c.busy == 0 {
			close(c.drained)
		}
	}
	drained := c.drained
	c.mu.Unlock()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *crew) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// load returns how many functions wait, and how many run.
func (c *crew) load() (waiting, busy int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting), c.busy
}

// processAcknowledged processes an event that was acknowledged. It may have waited
// for so long that its lease has ended and another process has it, so it asks again.
func (r *Receiver) processAcknowledged(ctx context.Context, j *job) {
	if j.holder != "" {
		if state, err := r.ask(ctx, j); err == nil && state != store.SeenNew {
			r.duplicate(ctx, j)
			return
		}
	}
	_ = r.process(ctx, j) // The error is logged and reported already.
}
