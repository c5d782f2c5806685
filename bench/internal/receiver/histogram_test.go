package receiver

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	last := -1
	for _, d := range []time.Duration{1, 2, 127, 128, 129, 255, 256, 257, 258, 511, 512, 1000, 1e6, 1e6 + 5e3, 1e9, 1e10, 1e12} {
		i := bucketOf(d)
		require.GreaterOrEqual(t, i, last, "%d", d)
		require.LessOrEqual(t, lowest(i), d)
		require.Greater(t, lowest(i+1), d)
		require.Less(t, float64(lowest(i+1)-lowest(i)), max(1.5, 0.01*float64(d)))
		last = i
	}
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	all := make([]time.Duration, 10_000)
	for i := range all {
		all[i] = time.Duration(r.ExpFloat64() * 1e6)
		h.Add(all[i])
	}
	slices.Sort(all)
	w := h.Waits()
	require.Equal(t, int64(len(all)), w.Count)
	require.Equal(t, all[len(all)-1], w.Longest)
	require.InEpsilon(t, all[5_000], w.P50, 0.01)
	require.InEpsilon(t, all[9_900], w.P99, 0.01)
	require.InEpsilon(t, all[9_990], w.P999, 0.01)
	h.Reset()
	require.Zero(t, h.Waits())
}
