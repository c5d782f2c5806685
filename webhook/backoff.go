package webhook

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// backoff is a pause that doubles, with jitter, while a fault lasts.
type backoff struct {
	last time.Duration
}

// next returns the pause for one more failure.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, minBackoff), maxBackoff)
	return b.last/2 + rand.N(b.last/2+1) //nolint:gosec // spreads load, guards nothing
}

// wait pauses and returns false if ctx ended.
func (b *backoff) wait(ctx context.Context) bool {
	timer := time.NewTimer(b.next())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func isCanceled(err error) bool { return errors.Is(err, context.Canceled) }
