package redisstore

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store"
)

// Calls of Publish with few events share scripts: while one call's script runs,
// others gather, and then go as one. A script costs much more than an event, so the
// more callers there are, the less each of them costs, and one that is alone waits
// for nobody.
const (
	// sharedEvents is up to how many events a call shares scripts.
	sharedEvents = 16
	// lanes is how many scripts of one shard run at once, so that a connection
	// which hangs holds up only what went over it.
	lanes = 2
	// sharedBytes is how many bytes of bodies go as one.
	sharedBytes = 512 << 10
)

// publishing is one call of Publish.
type publishing struct {
	merchantID string
	events     []store.NewEvent
	out        []store.Published // of the first so many events

	// Of one that waits for others to run it.
	deadline time.Time // of the caller, or zero
	done     chan struct{}
	err      error // once done
}

// rest is what has no result so far.
func (p *publishing) rest() []store.NewEvent { return p.events[len(p.out):] }

// shares reports whether a call may share scripts. A test does not: the script
// fails if its webhook is not there.
func (p *publishing) shares() bool {
	if len(p.events) > sharedEvents {
		return false
	}
	size := 0
	for i := range p.events {
		if p.events[i].Test != "" {
			return false
		}
		size += len(p.events[i].Body)
	}
	return size <= sharedBytes
}

// group is where the calls of one shard gather.
type group struct {
	mu      sync.Mutex
	running int // lanes in use
	waiting []*publishing
}

// enter takes a lane, or says that there is none and lets p wait.
func (g *group) enter(ctx context.Context, p *publishing) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running < lanes {
		g.running++
		return true
	}
	p.events = slices.Clone(p.events)
	for i := range p.events {
		e := &p.events[i]
		e.Body = bytes.Clone(e.Body) // The caller's may change once it has gone.
	}
	p.done = make(chan struct{})
	p.deadline, _ = ctx.Deadline()
	g.waiting = append(g.waiting, p)
	return false
}

// leave forgets one that waits no longer, unless a script has it already.
func (g *group) leave(p *publishing) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, p); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
}

// next returns what goes as one in the caller's lane, or gives the lane back if
// nothing waits.
func (g *group) next() []*publishing {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []*publishing
	events, size := 0, 0
	for i, p := range g.waiting {
		events += len(p.rest())
		for j := range p.rest() {
			size += len(p.rest()[j].Body)
		}
		if len(out) > 0 && (events > batch || size > sharedBytes) {
			g.waiting = g.waiting[i:]
			return out
		}
		out = append(out, p)
	}
	g.waiting = nil
	if len(out) == 0 {
		g.running--
	}
	return out
}

// again lets those wait first that a script stopped before.
func (g *group) again(list []*publishing) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(list, g.waiting...)
}

// publish runs a call, with others if need be.
func (s *Store) publish(ctx context.Context, h shard, p *publishing) error {
	if !p.shares() {
		return s.publishAlone(ctx, h, p)
	}
	if h.group.enter(ctx, p) {
		defer func() { //nolint:contextcheck // It runs for many callers, each of which may go.
			if list := h.group.next(); len(list) > 0 {
				go s.publishWaiting(context.Background(), h, list)
			}
		}()
		return s.publishAlone(ctx, h, p)
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		h.group.leave(p)
		return unanswered("publish", ctx.Err())
	}
}

// publishAlone runs a call by itself.
func (s *Store) publishAlone(ctx context.Context, h shard, p *publishing) error {
	for len(p.rest()) > 0 {
		if err := s.publishSome(ctx, h, []*publishing{p}); err != nil {
			return err
		}
	}
	return nil
}

// publishWaiting runs what waits, from list on, until nothing does.
func (s *Store) publishWaiting(ctx context.Context, h shard, list []*publishing) {
	for ; len(list) > 0; list = h.group.next() {
		bounded, cancel := within(ctx, list)
		err := s.publishSome(bounded, h, list)
		cancel()
		var stopped []*publishing
		for _, p := range list {
			switch {
			case err == nil && len(p.rest()) > 0:
				stopped = append(stopped, p)
				continue
			case err != nil && len(list) > 1 && (!errors.Is(err, store.ErrUnavailable) || redis.IsOOMError(err)):
				// Something is wrong with what one of them touches, or it is full, and some
				// only repeat what is stored.
				bounded, cancel := within(ctx, []*publishing{p})
				p.err = s.publishAlone(bounded, h, p)
				cancel()
			default:
				p.err = err
			}
			close(p.done)
		}
		h.group.again(stopped)
		runtime.Gosched() // Whoever publishes again at once goes with the next script.
	}
}

// within ends a context when the last of the callers has no time left.
func within(ctx context.Context, list []*publishing) (context.Context, context.CancelFunc) {
	var last time.Time
	for _, p := range list {
		if p.deadline.IsZero() {
			return ctx, func() {}
		}
		if p.deadline.After(last) {
			last = p.deadline
		}
	}
	return context.WithDeadline(ctx, last)
}
