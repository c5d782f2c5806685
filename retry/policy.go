// Package retry says when a failed delivery is tried again. A [Policy] is data
// and a pure function of the attempt number: it holds no state and never sleeps,
// so another process can make the next attempt after a restart.
//
// The zero Policy is the schedule in the integration guide that RAG Assistant gives
// its merchants. The guide's table has four rows, and its text ends a delivery
// after three failed attempts. So three attempts are made, unless MaxAttempts asks
// for the fourth.
//
//	| Attempt | Delay after the previous | Total time |
//	|    1    | none                     |     0      |
//	|    2    | 1 minute                 |   1m       |
//	|    3    | 5 minutes                |   6m       |
//	|    4    | 15 minutes               |  21m       | with MaxAttempts: 4
package retry

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultMaxAttempts is how often a delivery is tried in all.
const DefaultMaxAttempts = 3

// DefaultDelays returns the delays before the second, third and fourth attempt: 1,
// 5 and 15 minutes. The first attempt is made at once.
func DefaultDelays() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}
}

// Policy is a retry schedule. The zero value is three attempts: at once, after 1
// minute, and after 5 more.
type Policy struct {
	// Delays are the pauses after the first, second, … failed attempt. If there
	// are more attempts than delays, the last one repeats. Defaults to
	// [DefaultDelays].
	Delays []time.Duration

	// MaxAttempts is how often a delivery is tried in all, the first included.
	// Defaults to [DefaultMaxAttempts].
	MaxAttempts int

	// Jitter spreads each delay evenly over ± this fraction of it, 0 to 1, so
	// that deliveries that failed together do not come back together. Defaults to
	// 0: each delay is exact.
	Jitter float64
}

// Guide is the schedule of the integration guide, the zero Policy: three attempts
// within 6 minutes.
func Guide() Policy { return Policy{} }

// Days is a schedule for receivers that may be away for a day: eight attempts over some
// 28 hours, spread by a fifth so that what failed together does not come back together.
func Days() Policy {
	return Policy{
		Delays: []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
		},
		MaxAttempts: 8, Jitter: 0.2,
	}
}

// Validate reports everything that is wrong with p in one error.
func (p Policy) Validate() error {
	var bad []error
	for i, d := range p.Delays {
		if d < 0 {
			bad = append(bad, fmt.Errorf("delay %d is negative: %s", i+1, d))
		}
	}
	if p.MaxAttempts < 0 {
		bad = append(bad, fmt.Errorf("max attempts is negative: %d", p.MaxAttempts))
	}
	if math.IsNaN(p.Jitter) || p.Jitter < 0 || p.Jitter > 1 {
		bad = append(bad, fmt.Errorf("jitter is not between 0 and 1: %v", p.Jitter))
	}
	return errors.Join(bad...)
}

// Next returns the pause after a failed attempt, and false if that attempt was the
// last one. Attempts are numbered from 1. Key says which delivery it is: with
// Jitter, the same key and attempt always get the same pause.
func (p Policy) Next(attempt int, key string) (time.Duration, bool) {
	limit := p.MaxAttempts
	if limit == 0 {
		limit = DefaultMaxAttempts
	}
	if attempt < 1 || attempt >= limit {
		return 0, false
	}
	delays := p.delays()
	delay := delays[min(attempt, len(delays))-1]
	if p.Jitter == 0 {
		return delay, true
	}
	// A fraction of -1 to 1 from the top 53 bits of a hash.
	h := fnv.New64a()
	_, _ = h.Write([]byte(key + "|" + strconv.Itoa(attempt)))
	x := h.Sum64()
	x ^= x >> 32 // FNV leaves short keys with little change in the high bits.
	x *= 0x9e3779b97f4a7c15
	spread := float64(x>>11)/(1<<52) - 1
	return delay + time.Duration(spread*p.Jitter*float64(delay)), true
}

// Extend applies a receiver's Retry-After to a delay. It may make the delay longer,
// up to the longest pause of the schedule, but never shorter.
func (p Policy) Extend(delay, retryAfter time.Duration) time.Duration {
	return max(delay, min(retryAfter, slices.Max(p.delays())))
}

func (p Policy) delays() []time.Duration {
	if len(p.Delays) == 0 {
		return DefaultDelays()
	}
	return p.Delays
}

// ParseRetryAfter reads the value of a Retry-After header (RFC 9110, section
// 10.2.3): whole seconds, or an HTTP date, which becomes the pause from now until
// then. It returns false for anything else, and for a pause that is not above 0.
func ParseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.Trim(value, " \t")
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n > int64(math.MaxInt64/time.Second) {
			return math.MaxInt64, true // More seconds than a Duration holds.
		}
		return time.Duration(n) * time.Second, n > 0
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	d := at.Sub(now)
	return d, d > 0
}
