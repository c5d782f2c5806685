package webhook

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// slots bounds what this process has claimed and not finished. A claim takes one slot
// for each delivery. There are as many slots as workers, and more while a backlog
// lasts, so that workers need not wait for the next claim. The extra ones are as many
// as deliveries end during two claims. So a lease waits for a worker no longer than
// two claims take, unless endpoints become slower just then.
type slots struct {
	free  *semaphore.Weighted
	ended atomic.Int64 // attempts so far

	// Only the goroutine that claims uses these.
	extra       int64 // slots that were added
	wanted      int64 // how many of them there should be; those beyond are taken back
	maxExtra    int64
	endedBefore int64     // ended, at the answer to the last claim
	answered    time.Time // when that was
}

// maxAhead times the workers is the most that is claimed beside what they work on.
const maxAhead = 2

func newSlots(workers int) *slots {
	s := &slots{free: semaphore.NewWeighted((1 + maxAhead) * int64(workers)), maxExtra: maxAhead * int64(workers), answered: time.Now()}
	s.free.TryAcquire(s.maxExtra) // They are added one by one.
	return s
}

// take waits for a free slot, and takes up to limit of those that are free. It
// returns 0 when ctx has ended.
func (s *slots) take(ctx context.Context, limit int) int {
	n := 0
	for n == 0 {
		if ctx.Err() != nil || s.free.Acquire(ctx, 1) != nil {
			return 0
		}
		if s.extra > s.wanted {
			s.extra--
			continue
		}
		n++
	}
	for n < limit && s.free.TryAcquire(1) {
		n++
	}
	return n
}

// giveBack returns slots that a claim did not fill.
func (s *slots) giveBack(n int) { s.free.Release(int64(n)) }

// attempted returns the slot of a delivery whose attempt has ended.
func (s *slots) attempted() {
	s.ended.Add(1)
	s.free.Release(1)
}

// backlog sets the extra slots after a claim that came back full: twice as many as
// attempts end in the time that the claim took, by the rate since the claim before.
// They become fewer in steps.
func (s *slots) backlog(began time.Time) {
	now, ended := time.Now(), s.ended.Load()
	share := now.Sub(began).Seconds() / max(now.Sub(s.answered), time.Microsecond).Seconds()
	during := float64(ended-s.endedBefore) * min(share, 1)
	s.answered, s.endedBefore = now, ended
	s.setExtra(max(int64(2*during), s.wanted*3/4))
}

// setExtra adds slots up to n extra ones, or has those beyond n taken back.
func (s *slots) setExtra(n int64) {
	s.wanted = min(n, s.maxExtra)
	if s.wanted > s.extra {
		s.free.Release(s.wanted - s.extra)
		s.extra = s.wanted
	}
}
