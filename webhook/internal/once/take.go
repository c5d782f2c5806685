package once

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

// Bound is how many slots a scope has in any window of time.
type Bound struct {
	Scope string
	Most  int
}

// slot is one that is held.
type slot struct{ scope, name string }

// Take takes n slots of each bound, or all that it has, for a window of time. If one of
// them has too few that are free, it takes none and returns how long it takes until
// there are.
//
// The slots are in the store, so that the limit holds over all processes, and each
// counts its own window, so that it holds for any.
func Take(ctx context.Context, seen store.Seen, n int, window time.Duration, bounds ...Bound) (wait time.Duration, err error) {
	holder := id.New("h_")
	var held []slot
	for _, b := range bounds {
		var took []slot
		took, wait, err = take(ctx, seen, holder, n, window, b)
		held = append(held, took...)
		if wait == 0 && err == nil {
			continue
		}
		for _, h := range held {
			if lost := seen.ForgetSeen(ctx, h.scope, h.name, holder); lost != nil && err == nil {
				err = lost
			}
		}
		return wait, err
	}
	return 0, nil
}

// take takes slots of one bound. With a wait, it has taken too few.
func take(ctx context.Context, seen store.Seen, holder string, n int, window time.Duration, b Bound) (held []slot, wait time.Duration, err error) {
	n = max(min(n, b.Most), 1)
	first := rand.N(b.Most)   //nolint:gosec // spreads load, guards nothing
	var waits []time.Duration // until each of the others is free
	for i := 0; i < b.Most && len(held) < n; i++ {
		s := slot{b.Scope, strconv.Itoa((first + i) % b.Most)}
		got, err := seen.BeginSeen(ctx, s.scope, s.name, store.SeenBegin{Holder: holder, Lease: window})
		switch {
		case err != nil:
			return held, 0, err
		case got.State == store.SeenNew:
			held = append(held, s)
		default:
			waits = append(waits, got.Left)
		}
	}
	if missing := n - len(held); missing > 0 {
		slices.Sort(waits)
		return held, max(waits[missing-1], time.Second), nil
	}
	return held, 0, nil
}
