package sqlstore

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Calls of Publish with few events share transactions: while one call is under way, others
// gather, and then go as one. A commit costs much more than an event, so the more callers
// there are, the less each of them costs, and one that is alone waits for nobody.
const (
	// sharedEvents is up to how many events a call shares transactions.
	sharedEvents = 16
	// together is how many events go in one transaction.
	together = 128
	// lanes is how many transactions are under way at once.
	lanes = 2
	// groupTimeout bounds a transaction that others wait for.
	groupTimeout = 10 * time.Second
)

// publishing is a call of Publish that others may run.
type publishing struct {
	events []newEvent
	done   chan struct{}
	out    []store.Published // once done
	err    error
}

// group is where calls gather.
type group struct {
	mu      sync.Mutex
	running int
	waiting []*publishing
}

// enter takes a lane, or lets p wait for another call to take it along.
func (g *group) enter(p *publishing) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running < lanes {
		g.running++
		return true
	}
	for i, e := range p.events { // The caller's may change once it has gone.
		own := *e.NewEvent
		own.Body = bytes.Clone(own.Body)
		p.events[i].NewEvent = &own
	}
	p.done = make(chan struct{})
	g.waiting = append(g.waiting, p)
	return false
}

// leave forgets one that waits no longer, unless somebody has taken it along.
func (g *group) leave(p *publishing) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, p); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
}

// next returns what goes as one, or gives the lane back.
func (g *group) next() []*publishing {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, events, size := 0, 0, 0
	for _, p := range g.waiting {
		for _, e := range p.events {
			size += len(e.Body)
		}
		if events += len(p.events); n > 0 && (events > together || size > batchBytes) {
			break
		}
		n++
	}
	if n == 0 {
		g.running--
		return nil
	}
	out := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return out
}

// publish runs a call, with others if need be.
func (s *postgres) publish(ctx context.Context, events []newEvent) ([]store.Published, error) {
	p := &publishing{events: events}
	if len(events) > sharedEvents || slices.ContainsFunc(events, func(e newEvent) bool { return e.Test != "" }) {
		return s.publishNow(ctx, events)
	}
	if s.group.enter(p) {
		defer func() { //nolint:contextcheck // It runs for many callers, each of which may go.
			if list := s.group.next(); list != nil {
				go s.publishWaiting(context.Background(), list)
			}
		}()
		bounded, cancel := context.WithTimeout(ctx, groupTimeout) // A lane must not be lost to a connection that hangs.
		defer cancel()
		return s.publishNow(bounded, events)
	}
	select {
	case <-p.done:
		return p.out, p.err
	case <-ctx.Done():
		s.group.leave(p)
		return nil, ctx.Err()
	}
}

// publishWaiting runs what waits, from list on, until nothing does.
func (s *postgres) publishWaiting(ctx context.Context, list []*publishing) {
	for ; list != nil; list = s.group.next() {
		bounded, cancel := context.WithTimeout(ctx, groupTimeout)
		s.publishTogether(bounded, list)
		cancel()
		runtime.Gosched() // Whoever publishes again at once goes with the next ones.
	}
}

// publishTogether runs calls as one, or in halves if the database cannot take one of them.
func (s *postgres) publishTogether(ctx context.Context, list []*publishing) {
	var events []newEvent
	for _, p := range list {
		events = append(events, p.events...)
	}
	out, err := s.publishNow(ctx, events)
	if unfit(err) && len(list) > 1 {
		s.publishTogether(ctx, list[:len(list)/2])
		s.publishTogether(ctx, list[len(list)/2:])
		return
	}
	for _, p := range list {
		if p.err = err; err == nil {
			p.out, out = out[:len(p.events):len(p.events)], out[len(p.events):]
		}
		close(p.done)
	}
}
