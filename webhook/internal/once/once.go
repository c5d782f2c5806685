// Package once does things for the first time only, over all processes on a store.
package once

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

// ErrInProgress says that another caller holds the key, ErrKeys that there are too
// many keys. Both come in a [*WaitError].
var (
	ErrInProgress = errors.New("in progress")
	ErrKeys       = errors.New("too many keys")
)

// WaitError says after how long it is worth trying again, at the latest.
type WaitError struct {
	Err  error
	Wait time.Duration
}

func (e *WaitError) Error() string { return e.Err.Error() }

// Unwrap returns [ErrInProgress] or [ErrKeys].
func (e *WaitError) Unwrap() error { return e.Err }

// poll is the pause between two looks at a key that another caller holds.
const poll = 50 * time.Millisecond

// Call is something that is to be done once.
type Call struct {
	// Scope and Key name it together. Key may be of any length.
	Scope, Key string
	// Fingerprint, of any length, stands for what is asked for. Another one under
	// the same key is [store.ErrConflict]. Empty: never a conflict.
	Fingerprint string
	// Time is what it may take. A little later its key is free again, should this
	// process have died meanwhile.
	Time time.Duration
	// Age is how long its key is known afterwards.
	Age time.Duration
	// Keys, if not nil, counts the keys of the scope.
	Keys *Keys
	// NoWait fails with [ErrInProgress] while another caller is at it.
	NoWait bool
}

// Do calls do unless that was done before, and otherwise returns the value of that
// time and true. If do fails or panics, the key is free again. Its value is returned
// even if it could not be kept, together with the reason.
//
// A caller that hangs up will try again, so do must finish what it has begun: its
// context outlives ctx. It also names what do makes, by [ID]: the same at each try,
// so that one after a crash makes nothing a second time.
func Do(ctx context.Context, seen store.Seen, c Call, do func(context.Context) (string, error)) (value string, again bool, err error) {
	key, holder := digest(c.Key), id.New("h_")
	begin := store.SeenBegin{Holder: holder, Lease: c.Time + 2*lastCall, Keep: c.Age}
	if c.Fingerprint != "" {
		begin.Fingerprint = digest(c.Fingerprint)
	}
	for {
		known, err := seen.BeginSeen(ctx, c.Scope, key, begin)
		if err != nil {
			// The key may be taken all the same, and the caller will try again.
			_ = forget(ctx, seen, c, key, holder)
			return "", false, fmt.Errorf("webhook: once: %w", err)
		}
		switch known.State {
		case store.SeenDone:
			return string(known.Value), true, nil
		case store.SeenConflict:
			return "", false, fmt.Errorf("webhook: once: %w", store.ErrConflict)
		case store.SeenNew:
			if wait := c.Keys.take(c.Scope, c.Age, known.First == holder); wait > 0 {
				_ = forget(ctx, seen, c, key, holder)
				return "", false, &WaitError{ErrKeys, wait}
			}
			ctx := Named(ctx, c.Scope+"|"+key+"|"+known.First)
			value, err := first(ctx, seen, c, key, begin, do)
			return value, false, err
		case store.SeenInProgress:
		}
		if c.NoWait {
			return "", false, fmt.Errorf("webhook: once: %w", &WaitError{ErrInProgress, known.Left})
		}
		select {
		case <-ctx.Done():
			return "", false, fmt.Errorf("webhook: once: %w", ctx.Err())
		case <-time.After(poll):
		}
	}
}

// first calls do for a key that is held.
func first(
	ctx context.Context, seen store.Seen, c Call, key string, held store.SeenBegin, do func(context.Context) (string, error),
) (value string, err error) {
	ctx = context.WithoutCancel(ctx)
	done, refused := false, false
	defer func() {
		if !done { // Also after a panic.
			if lost := giveUp(ctx, seen, c, key, held, refused); lost != nil {
				err = errors.Join(err, lost)
			}
		}
	}()
	whole, cancel := context.WithTimeout(ctx, c.Time)
	defer cancel()
	if value, err = do(whole); err != nil {
		refused = !unclear(err)
		return "", err
	}
	done = true
	last, cancel := context.WithTimeout(ctx, lastCall)
	defer cancel()
	if err := seen.CommitSeen(last, c.Scope, key, held.Holder, []byte(value), c.Age); err != nil {
		return value, fmt.Errorf("webhook: once: done, but not kept: %w", err)
	}
	return value, nil
}

// forget gives a key up, whatever has become of ctx.
func forget(ctx context.Context, seen store.Seen, c Call, key, holder string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCall)
	defer cancel()
	return seen.ForgetSeen(ctx, c.Scope, key, holder)
}

// giveUp forgets a key whose do was refused. Where do may have done something, it ends
// the lease and keeps the rest, so that the next try finds what this one has made.
func giveUp(ctx context.Context, seen store.Seen, c Call, key string, held store.SeenBegin, refused bool) error {
	if refused {
		return forget(ctx, seen, c, key, held.Holder)
	}
	ctx, cancel := context.WithTimeout(ctx, lastCall)
	defer cancel()
	held.Lease = 0
	_, err := seen.BeginSeen(ctx, c.Scope, key, held)
	return err
}

// unclear reports whether what failed may have happened all the same.
func unclear(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// lastCall bounds the call that ends a key.
const lastCall = 5 * time.Second

// digest keeps keys short and content out of the store.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
