package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store"
)

const (
	// patience is how long a part may take to answer while there are others, and
	// probe how long to a ping if it did not answer the last time.
	patience = 2 * time.Second
	probe    = 500 * time.Millisecond
	// rest is for how long a part that did not answer is left alone.
	rest = time.Second
)

// errAway says that a part did not answer a moment ago.
var errAway = fmt.Errorf("redisstore: this part of the store did not answer a moment ago: %w", store.ErrUnavailable)

// absences remembers which shards did not answer, so that one node of a Cluster
// that is down or hangs does not hold up what is on the others.
type absences struct {
	mu    sync.Mutex
	until map[int]time.Time // by shard; none for those that answer
}

// left returns how long a shard is still left alone, and whether it is away.
func (a *absences) left(shard int) (time.Duration, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	until, away := a.until[shard]
	return time.Until(until), away
}

// all reports whether none of n shards is worth a call.
func (a *absences) all(n int) bool {
	for i := range n {
		if left, away := a.left(i); !away || left <= 0 {
			return false
		}
	}
	return true
}

// note marks shards as away or as back.
func (a *absences) note(shards []int, away bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, i := range shards {
		if !away {
			delete(a.until, i)
			continue
		}
		a.until[i] = time.Now().Add(rest)
	}
}

// ask calls f for one of several shards, or returns errAway if that is not worth
// it yet. The shard that f gets bounds each of its calls.
func (s *Store) ask(ctx context.Context, i int, f func(context.Context, shard) error) error {
	h := s.shards[i]
	if len(s.shards) == 1 {
		return f(ctx, h)
	}
	left, away := s.away.left(i)
	if away && left > 0 && !s.away.all(len(s.shards)) {
		return errAway
	}
	h.patience = patience
	var err error
	if away {
		err = s.ping(ctx, h)
	}
	if err == nil {
		err = f(ctx, h)
	}
	switch {
	case ctx.Err() != nil: // The caller has gone, which says nothing about the shard.
	case outOfReach(err):
		s.away.note(s.neighbours(ctx, i, err), true)
	case away:
		s.away.note(s.neighbours(ctx, i, nil), false)
	}
	return err
}

// ping asks whether the node of a shard answers. A node that hangs may still do,
// once it goes on, what it was told before: a claim that nobody waits for.
func (s *Store) ping(ctx context.Context, h shard) error {
	ctx, cancel := context.WithTimeout(ctx, probe)
	defer cancel()
	node, _, err := s.node(ctx, h)
	if err == nil {
		err = node.Ping(ctx).Err()
	}
	if err != nil {
		return unanswered("ping", err)
	}
	return nil
}

// neighbours returns the shards that are on the same node, as far as is known, if
// it is the node that is away.
func (s *Store) neighbours(ctx context.Context, i int, why error) []int {
	ctx, cancel := context.WithTimeout(ctx, probe)
	defer cancel()
	_, node, err := s.node(ctx, s.shards[i])
	if err != nil || redis.IsTryAgainError(why) { // Its slot moves.
		return []int{i}
	}
	var out []int
	for j, h := range s.shards {
		if _, name, err := s.node(ctx, h); err == nil && name == node {
			out = append(out, j)
		}
	}
	return out
}

// outOfReach reports whether a call failed because of where it went and not of
// what it asked: no answer, or one that says to come back.
func outOfReach(err error) bool {
	if err == nil || errors.Is(err, errReply) {
		return false
	}
	return isNetwork(err) || isElsewhere(err) || redis.IsLoadingError(err) || redis.IsClusterDownError(err) ||
		redis.IsMasterDownError(err) || redis.IsMaxClientsError(err) || redis.HasErrorPrefix(err, "BUSY")
}

// isElsewhere reports whether a node sent a call away: its slot is moving or has
// moved, or the node is no primary any more.
func isElsewhere(err error) bool {
	_, moved := redis.IsMovedError(err)
	_, ask := redis.IsAskError(err)
	return moved || ask || redis.IsTryAgainError(err) || redis.IsReadOnlyError(err)
}

// each asks shards one after the other, from the given one on, until f returns
// false, and goes on past those that are out of reach. It returns how long those
// are left alone, 0 if there are none, and what was wrong with them if that was
// not known before.
func (s *Store) each(ctx context.Context, start int, f func(context.Context, shard) (bool, error)) (time.Duration, error) {
	var pause time.Duration
	var errs []error
	for k := range s.shards {
		i := (start + k) % len(s.shards)
		if k > 0 && s.away.all(len(s.shards)) {
			break // One that does not answer is enough to know.
		}
		more := false
		err := s.ask(ctx, i, func(ctx context.Context, h shard) (err error) {
			more, err = f(ctx, h)
			return err
		})
		switch {
		case err == nil && !more:
			return pause, errors.Join(errs...)
		case err == nil:
			continue
		case !errors.Is(err, errAway):
			errs = append(errs, fmt.Errorf("shard %d: %w", i, err))
		}
		if left, away := s.away.left(i); away && (pause == 0 || left < pause) {
			pause = max(left, time.Millisecond)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return pause, errors.Join(errs...)
}
