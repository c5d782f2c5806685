package receiver

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Histogram counts durations in buckets that are less than one percent wide. It
// is safe for many writers.
type Histogram struct {
	buckets [64 << subBits]atomic.Uint32
	most    atomic.Int64
	count   atomic.Int64
}

// subBits is how many bits below the highest one tell buckets apart.
const subBits = 7

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 1))
	exp := bits.Len64(v) - 1
	if exp <= subBits {
		return int(v) //nolint:gosec // below 256
	}
	return (exp-subBits)<<subBits + int(v>>(exp-subBits)) //nolint:gosec // below 64 << subBits
}

// lowest is the least duration of a bucket.
func lowest(bucket int) time.Duration {
	exp := bucket >> subBits
	if exp <= 1 {
		return time.Duration(bucket)
	}
	shift := exp - 1
	return time.Duration(bucket-shift<<subBits) << shift
}

// Add counts a duration.
func (h *Histogram) Add(d time.Duration) {
	h.buckets[bucketOf(d)].Add(1)
	h.count.Add(1)
	for {
		most := h.most.Load()
		if int64(d) <= most || h.most.CompareAndSwap(most, int64(d)) {
			return
		}
	}
}

// Reset forgets everything.
func (h *Histogram) Reset() {
	for i := range h.buckets {
		h.buckets[i].Store(0)
	}
	h.most.Store(0)
	h.count.Store(0)
}

// Waits is what a Histogram tells.
type Waits struct {
	Count         int64
	P50, P99      time.Duration
	P999, Longest time.Duration
}

// Waits returns the percentiles, each the middle of its bucket.
func (h *Histogram) Waits() Waits {
	w := Waits{Count: h.count.Load(), Longest: time.Duration(h.most.Load())}
	w.P50, w.P99, w.P999 = h.percentile(w.Count, 0.5), h.percentile(w.Count, 0.99), h.percentile(w.Count, 0.999)
	return w
}

func (h *Histogram) percentile(count int64, p float64) time.Duration {
	rank := int64(float64(count)*p) + 1
	seen := int64(0)
	for i := range h.buckets {
		seen += int64(h.buckets[i].Load())
		if seen >= rank {
			return min((lowest(i)+lowest(i+1))/2, time.Duration(h.most.Load()))
		}
	}
	return time.Duration(h.most.Load())
}
