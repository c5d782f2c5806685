package memstore

import (
	"sync"
	"time"
)

// steady returns a clock that never goes back: it follows now, and where that is set back it
// counts what has passed since by a clock that nobody sets.
func steady(now func() time.Time, since func(time.Time) time.Duration) func() time.Time {
	var mu sync.Mutex
	last := now()
	at := last.Round(0) // what the clock showed then
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		passed := at.Add(since(last))
		last = now()
		if at = last.Round(0); at.Before(passed) {
			at = passed
		}
		return at
	}
}
