package once

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

// Take takes n of the most slots that scope has in any window of time, or none, and
// returns how long it takes until so many are free.
//
// The slots are in the store, so that the limit holds over all processes, and each
// counts its own window, so that it holds for any.
func Take(ctx context.Context, seen store.Seen, scope string, n, most int, window time.Duration) (wait time.Duration, err error) {
	n = max(min(n, most), 1)
	holder := id.New("h_")
	first := rand.N(most) //nolint:gosec // spreads load, guards nothing
	var held []string
	var waits []time.Duration // until each of the others is free
	for i := 0; i < most && len(held) < n; i++ {
		slot := strconv.Itoa((first + i) % most)
		got, err := seen.BeginSeen(ctx, scope, slot, store.SeenBegin{Holder: holder, Lease: window})
		if err != nil {
			return 0, err
		}
		if got.State == store.SeenNew {
			held = append(held, slot)
			continue
		}
		wait := window
		if until, err := strconv.ParseInt(string(got.Value), 10, 64); err == nil {
			wait = time.Until(time.UnixMilli(until))
		}
		waits = append(waits, wait)
	}
	if missing := n - len(held); missing > 0 {
		for _, slot := range held {
			if err := seen.ForgetSeen(ctx, scope, slot, holder); err != nil {
				return 0, err
			}
		}
		slices.Sort(waits)
		return max(waits[missing-1], time.Second), nil
	}
	until := strconv.FormatInt(time.Now().Add(window).UnixMilli(), 10)
	for _, slot := range held {
		err := seen.CommitSeen(ctx, scope, slot, holder, []byte(until), window)
		if err != nil && !errors.Is(err, store.ErrStale) { // The window has gone by since it was held.
			return 0, err
		}
	}
	return 0, nil
}
