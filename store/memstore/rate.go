package memstore

import "math"

// token is what one claimed delivery takes from a bucket.
const token = 1000

// bucket is what a webhook with a rate limit may give away: see Rates in the comment of
// package store.
type bucket struct {
	level int64 // in thousandths of a token, when the last one was taken
	taken int64 // when that was, in Unix milliseconds
}

// limit sets the rate of w and fills its bucket.
func (w *webhook) limit(rate int, now int64) {
	w.RateLimit = rate
	w.bucket = bucket{level: token * int64(max(rate, 0)), taken: now}
}

// level returns what the bucket of w holds now.
func (w *webhook) level(now int64) int64 {
	rate := int64(w.RateLimit)
	elapsed := min(max(now-w.bucket.taken, 0), 1000) // A second fills any bucket.
	return min(w.bucket.level+rate*elapsed, token*rate)
}

// tokens returns how many deliveries w may give away.
func (w *webhook) tokens(now int64) int {
	if w.RateLimit <= 0 {
		return math.MaxInt
	}
	return int(w.level(now) / token)
}

// take takes n tokens, which must be there.
func (w *webhook) take(n int, now int64) {
	if w.RateLimit > 0 {
		w.bucket = bucket{level: w.level(now) - token*int64(n), taken: now}
	}
}

// refilled returns the moment from which on w has a token.
func (w *webhook) refilled() int64 {
	if w.RateLimit <= 0 || w.bucket.level >= token {
		return distantPast
	}
	rate := int64(w.RateLimit)
	return w.bucket.taken + (token-w.bucket.level+rate-1)/rate
}
