package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// exhaustedPause is how long an attempt waits for descriptors, ports or memory. It
// keeps its place meanwhile, so fewer attempts are made at once.
// After exhaustedTries it gives its place to another.
const (
	exhaustedPause = 100 * time.Millisecond
	exhaustedTries = 20
)

// makeRoom waits until an attempt that had no socket may be tried again.
func (r *run) makeRoom(ctx context.Context, err error) {
	r.trouble(ctx, "sockets", fmt.Errorf("fewer attempts are made at once: %w", err))
	r.exhausted.Store(true)
	if last, now := r.emptied.Load(), time.Now().Unix(); now-last >= 10 && r.emptied.CompareAndSwap(last, now) {
		r.closeIdle()
	}
	pause := time.NewTimer(exhaustedPause/2 + rand.N(exhaustedPause)) //nolint:gosec // spreads load, guards nothing
	defer pause.Stop()
	select {
	case <-ctx.Done():
	case <-pause.C:
	}
}

// warnOfFewDescriptors says in time what would be seen under load.
func (r *run) warnOfFewDescriptors(ctx context.Context) {
	need := uint64(r.opts.Concurrency) + 100 //nolint:gosec // positive, and what host and store have open
	if limit := descriptors(); limit < need {
		r.opts.Logger.WarnContext(ctx, "webhook process may open too few files: raise the limit (ulimit -n), or lower Concurrency",
			slog.Uint64("limit", limit), slog.Int("concurrency", r.opts.Concurrency))
	}
}
