package webhook

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// slots are what a claim needs one of for each delivery: as many as can be on the
// wire at once, and while there is more to claim than that, some for what will have
// left the wire before the next claim has an answer. Workers then need not wait for
// claims, and a lease waits for a worker no longer than two claims take, unless the
// endpoints become slower just then.
type slots struct {
	free *semaphore.Weighted
	used atomic.Int64 // deliveries that have left the wire so far

	// Only the claiming goroutine knows these.
	lent, most int64 // slots for what will have left the wire
	due        int64 // that are to be lent: the rest is taken back
	before     int64 // used at the last claim's answer
	last       time.Time
}

// ahead times what is on the wire is the most that is claimed beside it.
const ahead = 2

func newSlots(n int) *slots {
	s := &slots{free: semaphore.NewWeighted((1 + ahead) * int64(n)), most: ahead * int64(n), last: time.Now()}
	s.free.TryAcquire(s.most) // until they are lent
	return s
}

// take waits for a free slot and takes up to most that are, after those that were lent
// for too long. It returns 0 when ctx has ended.
func (s *slots) take(ctx context.Context, most int) int {
	n := 0
	for n == 0 {
		if ctx.Err() != nil || s.free.Acquire(ctx, 1) != nil {
			return 0
		}
		if s.lent > s.due {
			s.lent--
			continue
		}
		n++
	}
	for n < most && s.free.TryAcquire(1) {
		n++
	}
	return n
}

// back gives back what was taken and not used.
func (s *slots) back(n int) { s.free.Release(int64(n)) }

// use gives back the slot of a delivery that has left the wire.
func (s *slots) use() {
	s.used.Add(1)
	s.free.Release(1)
}

// foresee lends slots for twice what leaves the wire during a claim such as the one
// that began at a moment and has just been answered, since results are stored between
// two claims. It goes by what has left since the claim before, and down in steps.
func (s *slots) foresee(claim time.Time) {
	now, used := time.Now(), s.used.Load()
	share := now.Sub(claim).Seconds() / max(now.Sub(s.last), time.Microsecond).Seconds()
	n := int64(2 * float64(used-s.before) * min(share, 1))
	s.last, s.before = now, used
	s.lend(max(n, s.due*3/4))
}

// lend lends n slots in place of those that were lent before.
func (s *slots) lend(n int64) {
	s.due = min(n, s.most)
	if s.due > s.lent {
		s.free.Release(s.due - s.lent)
		s.lent = s.due
	}
}
