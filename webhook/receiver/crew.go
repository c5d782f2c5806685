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

	mu     sync.Mutex
	busy   int
	wait   []func()
	closed bool
	idle   chan struct{} // closed when closed and nothing is left
}

// add takes a function, or reports that there is no room for it.
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
	case len(c.wait) < c.queue:
		c.wait = append(c.wait, f)
		return true
	}
	return false
}

// work runs f and then what waits.
func (c *crew) work(f func()) {
	for f != nil {
		f()
		f = c.next()
	}
}

func (c *crew) next() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wait) > 0 {
		f := c.wait[0]
		c.wait[0] = nil // It holds an event.
		c.wait = c.wait[1:]
		return f
	}
	c.busy--
	if c.closed && c.busy == 0 {
		close(c.idle)
	}
	return nil
}

func (c *crew) close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed, c.idle = true, make(chan struct{})
		if c.busy == 0 {
			close(c.idle)
		}
	}
	idle := c.idle
	c.mu.Unlock()
	select {
	case <-idle:
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

// load is how many events wait and are in work.
func (c *crew) load() (waiting, busy int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.wait), c.busy
}

// later processes an event that was acknowledged. Its turn may come when its lease
// has ended and somebody else has it.
func (r *Receiver) later(ctx context.Context, j *job) {
	if j.holder != "" {
		if state, err := r.ask(ctx, j); err == nil && state != store.SeenNew {
			r.metrics.count(&r.metrics.Duplicates)
			return
		}
	}
	_ = r.process(ctx, j) // It has told everybody.
}
