//go:build chaos || chaoslong

package chaos_test

import (
	"slices"
	"sync"
	"time"
)

// calendar notes all disturbances.
type calendar struct {
	mu      sync.Mutex
	entries []disturbance
}

// disturbance is a time in which deliveries may take longer.
type disturbance struct {
	from, to time.Time
	hook     string // the webhook that is concerned; empty: all
}

// begin notes the start of a disturbance. The returned function notes its end.
func (c *calendar) begin(hook string) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := len(c.entries)
	c.entries = append(c.entries, disturbance{from: time.Now(), hook: hook})
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.entries[i].to = time.Now()
	}
}

// calm reports whether a webhook was undisturbed in a time, and in the pause before.
func (c *calendar) calm(hook string, from, to time.Time, pause time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.ContainsFunc(c.entries, func(d disturbance) bool {
		return (d.hook == "" || d.hook == hook) && to.After(d.from) && (d.to.IsZero() || from.Before(d.to.Add(pause)))
	})
}

// waits are times from the call of Publish to the first receipt.
type waits []time.Duration

// percentile of waits, 0 if there are none.
func (w waits) percentile(p float64) time.Duration {
	if len(w) == 0 {
		return 0
	}
	slices.Sort(w)
	return w[min(int(p/100*float64(len(w))), len(w)-1)]
}

// waits returns the waits of the deliveries that which selects.
func (w *world) waits(which func(hook string, published, received time.Time) bool) waits {
	first := w.receiver.firsts()
	var out waits
	for _, p := range w.acked {
		for hook, id := range p.deliveries {
			if at, ok := first[id]; ok && which(hook, p.began, at) {
				out = append(out, at.Sub(p.began))
			}
		}
	}
	return out
}
