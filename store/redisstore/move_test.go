package redisstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// TestSlotMoves moves the slot of a shard to another node, key by key, while the
// store is used: calls may fail meanwhile, and then have changed nothing.
func TestSlotMoves(t *testing.T) {
	t.Parallel()
	client := redistest.Cluster(t)
	opts := redisstore.Options{Prefix: redistest.Prefix(), Shards: 1}
	st := newStore(t, client, &opts, 2)
	ctx := t.Context()
	ask := store.ClaimRequest{Limit: 1, Lease: time.Minute, PerWebhook: 5}
	pending := map[string]bool{}
	publish := func(events []store.NewEvent) error {
		out, err := st.Publish(ctx, merchant, events)
		for _, p := range out {
			for _, id := range p.Deliveries {
				pending[id] = true
			}
		}
		return err
	}
	// What was settled, and what was claimed and may not be known to us.
	settle := func() error {
		got, err := st.Claim(ctx, ask)
		if err != nil {
			return err
		}
		for _, l := range got.Leases {
			require.True(t, pending[l.DeliveryID], "%s is delivered once", l.DeliveryID)
		}
		if _, err = st.Finish(ctx, results(got.Leases)); err == nil {
			for _, l := range got.Leases {
				delete(pending, l.DeliveryID)
			}
		}
		return err
	}
	require.NoError(t, publish(newEvents(10, 10)))
	require.NoError(t, settle())
	require.NoError(t, st.Audit(ctx))

	m := redistest.StartMove(t, client, opts.Prefix+":{00}:ready")
	refused := 0
	for moved := true; moved; moved = m.Keys(t, 1) > 0 {
		events := newEvents(1, 10)
		for _, err := range []error{publish(events), settle()} {
			if err != nil {
				refused++
			}
		}
	}
	m.End(t)
	require.Positive(t, refused)
	t.Logf("%d calls refused", refused)
	require.NoError(t, st.Audit(ctx))
	require.NoError(t, publish(newEvents(1, 10)))
	left := len(pending)
	later := opts
	later.Now = inAnHour
	require.Equal(t, left, drain(t, newStore(t, client, &later, 0)))
}
