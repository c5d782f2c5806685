package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

const (
	onceAge   = 24 * time.Hour   // how long a key is known
	onceTime  = 30 * time.Second // for what is done
	onceLease = time.Minute      // until another caller may try
	oncePoll  = 50 * time.Millisecond
)

// Once calls do unless it has been called with this key of the merchant's before,
// over all processes on the store, so that a form that is sent twice acts once. Do
// returns a note for those who come again, within 24 hours: they get it, and true.
// It is stored as it is, so it must not be a secret. If do fails, the key is free
// again.
//
// Who comes while do is running waits for it, until ctx ends. The context of do
// outlives ctx, for what was begun is better ended, and lasts 30 seconds.
func (s *Service) Once(
	ctx context.Context, merchantID, key string, do func(context.Context) (note string, err error),
) (note string, again bool, err error) {
	if err := checkMerchant(merchantID); err != nil {
		return "", false, err
	}
	h := held{scope: "once|" + merchantID, name: digest(key), holder: id.New("h_"), lasts: onceTime, age: onceAge}
	for {
		known, err := s.store.BeginSeen(ctx, h.scope, h.name, store.SeenBegin{Holder: h.holder, Lease: onceLease})
		if err != nil {
			return "", false, fmt.Errorf("webhook: once: %w", err)
		}
		switch known.State {
		case store.SeenDone:
			return string(known.Value), true, nil
		case store.SeenNew:
			notNoted, err := s.first(ctx, h, func(ctx context.Context) ([]byte, error) {
				var err error
				note, err = do(ctx)
				return []byte(note), err
			})
			if err == nil && notNoted != nil && !errors.Is(notNoted, store.ErrStale) {
				err = fmt.Errorf("webhook: once: done, but not noted: %w", notNoted)
			}
			return note, false, err
		case store.SeenInProgress, store.SeenConflict: // There is no fingerprint that could conflict.
		}
		select {
		case <-ctx.Done():
			return "", false, fmt.Errorf("webhook: once: %w", ctx.Err())
		case <-time.After(oncePoll):
		}
	}
}

// held is an id of the store's Seen role that this caller holds.
type held struct {
	scope, name, holder string

	lasts time.Duration // what is done, at most
	age   time.Duration // what is known of it afterwards
}

// first does what is done once, and notes the value that do returns, for those who
// come again. Who hangs up in the middle is who comes again, so the context of do
// outlives ctx. If do fails or panics, the id is free again. Otherwise it is taken
// until its lease ends, even if it could not be noted.
func (s *Service) first(ctx context.Context, h held, do func(context.Context) (value []byte, err error)) (notNoted, err error) {
	done := false
	defer func() {
		if !done { // Also after a panic.
			ctx, cancel := detached(ctx)
			defer cancel()
			notNoted = s.store.ForgetSeen(ctx, h.scope, h.name, h.holder)
		}
	}()
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.lasts)
	defer cancel()
	value, err := do(whole)
	if err != nil {
		return nil, err
	}
	done = true
	keep, cancel := detached(ctx)
	defer cancel()
	return s.store.CommitSeen(keep, h.scope, h.name, h.holder, value, h.age), nil
}

// detached gives the last call of a request time even if its caller has gone.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

// ReserveTests takes n of the tests that a webhook may have in any minute, over all
// processes on the store, or none, and returns how long it takes until so many are
// free: without a bound, a merchant could point the sender at somebody. More than
// perMinute are never asked for. [Handler] asks for one before each [Service.Test]
// and for [MaxProbes] before each [Service.Detect]; so should others who let merchants
// test.
func (s *Service) ReserveTests(ctx context.Context, merchantID, webhookID string, n, perMinute int) (time.Duration, error) {
	// An unknown webhook is not worth a slot, and must not be told from a busy one.
	if _, err := s.Webhook(ctx, merchantID, webhookID); err != nil {
		return 0, err
	}
	if perMinute < 1 || perMinute > maxTestsLimit {
		return 0, invalid("perMinute", fmt.Sprintf("must be between 1 and %d", maxTestsLimit))
	}
	n = max(min(n, perMinute), 1)
	// Slots are in the store, so that the limit holds over all processes, and each
	// counts its own minute, so that it holds for any minute.
	scope, holder := "tests|"+merchantID+"|"+webhookID, id.New("h_")
	first := rand.N(perMinute) //nolint:gosec // spreads load, guards nothing
	var held []string
	var waits []time.Duration // until each of the others is free
	for i := 0; i < perMinute && len(held) < n; i++ {
		slot := strconv.Itoa((first + i) % perMinute)
		got, err := s.store.BeginSeen(ctx, scope, slot, store.SeenBegin{Holder: holder, Lease: testWindow})
		if err != nil {
			return 0, err
		}
		if got.State == store.SeenNew {
			held = append(held, slot)
			continue
		}
		wait := testWindow
		if until, err := strconv.ParseInt(string(got.Value), 10, 64); err == nil {
			wait = time.Until(time.UnixMilli(until))
		}
		waits = append(waits, wait)
	}
	if missing := n - len(held); missing > 0 {
		for _, slot := range held {
			if err := s.store.ForgetSeen(ctx, scope, slot, holder); err != nil {
				return 0, err
			}
		}
		slices.Sort(waits)
		return max(waits[missing-1], time.Second), nil
	}
	until := strconv.FormatInt(time.Now().Add(testWindow).UnixMilli(), 10)
	for _, slot := range held {
		err := s.store.CommitSeen(ctx, scope, slot, holder, []byte(until), testWindow)
		if err != nil && !errors.Is(err, store.ErrStale) { // A minute has gone by since it was held.
			return 0, err
		}
	}
	return 0, nil
}
