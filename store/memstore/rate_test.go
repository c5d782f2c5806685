package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
)

// A clock that is set back adds no token, and delays the next one by no more than
// it was set back.
func TestRateWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.February, 27, 12, 0, 0, 0, time.UTC)
	st := memstore.New(&memstore.Options{Now: func() time.Time { return now }})
	_, err := st.CreateWebhook(t.Context(), "m", store.Webhook{
		ID: "whk", Events: []string{"type.0"}, Status: store.Active, RateLimit: 4,
	}, 0)
	require.NoError(t, err)
	now = now.Add(-time.Hour)
	fill(t, st, 20, 1)
	claim := func() (int, time.Duration) {
		c, err := st.Claim(t.Context(), store.ClaimRequest{Limit: 20, Lease: time.Hour, PerWebhook: 20})
		require.NoError(t, err)
		require.NoError(t, st.Audit())
		return len(c.Leases), c.Next
	}
	n, _ := claim()
	require.Equal(t, 4, n, "the bucket was full before")
	n, next := claim()
	require.Zero(t, n)
	require.Equal(t, 250*time.Millisecond, next)
	now = now.Add(-time.Minute)
	n, next = claim()
	require.Zero(t, n)
	require.Equal(t, time.Minute+250*time.Millisecond, next)
	now = now.Add(next)
	n, next = claim()
	require.Equal(t, 1, n)
	require.Equal(t, 250*time.Millisecond, next)
}

// BenchmarkRate claims ten in a millisecond from a backlog, with a rate that gives
// that many and without one.
func BenchmarkRate(b *testing.B) {
	for _, rate := range []int{0, 10_000} {
		for _, pending := range []int{1_000, 100_000} {
			b.Run(fmt.Sprintf("rate=%d/pending=%d", rate, pending), func(b *testing.B) {
				now := time.Now()
				st := memstore.New(&memstore.Options{Now: func() time.Time { return now }})
				_, err := st.CreateWebhook(b.Context(), "m", store.Webhook{
					ID: "whk", Events: []string{"type.0"}, Status: store.Active, RateLimit: rate,
				}, 0)
				require.NoError(b, err)
				fill(b, st, pending, 1)
				n := 0
				for b.Loop() {
					c, _ := st.Claim(b.Context(), store.ClaimRequest{Limit: 10, Lease: time.Minute, PerWebhook: 100})
					n += len(c.Leases)
					_, err := st.Finish(b.Context(), results(c.Leases, store.Released, 0))
					require.NoError(b, err)
					now = now.Add(time.Millisecond)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/delivery")
			})
		}
	}
}
