package receiver

import (
	"sync"
	"time"
)

// bucket lets rate events a second pass, of which a second's worth may come at once.
type bucket struct {
	rate int // 0: all pass

	mu   sync.Mutex
	full time.Time // when a second's worth may come at once again
}

// take returns 0 if an event may pass, or how long until one may.
func (b *bucket) take(now time.Time) time.Duration {
	if b.rate == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	each := time.Second / time.Duration(b.rate)
	next := b.full
	if next.Before(now) {
		next = now
	}
	next = next.Add(each)
	if over := next.Sub(now) - time.Second; over > 0 {
		return over
	}
	b.full = next
	return 0
}
