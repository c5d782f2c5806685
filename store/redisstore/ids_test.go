package redisstore_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// TestAnyID uses ids that would make one key of two, or another hash tag, if they
// were written as they are.
func TestAnyID(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	opts := redisstore.Options{Prefix: redistest.Prefix(), Shards: 2}
	st := newStore(t, client, &opts, 0)
	t.Cleanup(func() { redistest.Forget(t, client, opts.Prefix) })
	ids := []string{"a", "a:b", "b", "b:c", "a%3Ab", "{07}", "}", "*", "é\xff", "a\nb", "w:1", strings.Repeat("x", 300)}
	for _, m := range ids {
		for _, w := range ids {
			_, err := st.CreateWebhook(t.Context(), m, store.Webhook{ID: w, URL: "https://example.com", Events: []string{w}, Status: store.Active}, 0)
			require.NoError(t, err)
		}
		var events []store.NewEvent
		for _, e := range ids {
			events = append(events, store.NewEvent{ID: e, Type: e, Body: []byte(m + "|" + e), Fingerprint: m})
		}
		out, err := st.Publish(t.Context(), m, events)
		require.NoError(t, err)
		for i, p := range out {
			require.False(t, p.Duplicate)
			want := []string{ids[i], store.EveryType}
			var got []string
			for _, d := range p.Deliveries {
				got = append(got, d.WebhookID)
			}
			require.Subset(t, want, got, "the one of this type and the one of every type")
			require.Subset(t, got, want)
		}
	}
	require.NoError(t, st.Audit(t.Context()))
	got := 0
	for {
		c, err := st.Claim(t.Context(), everything)
		require.NoError(t, err)
		if len(c.Leases) == 0 {
			break
		}
		for _, l := range c.Leases {
			require.Equal(t, l.MerchantID+"|"+l.EventID, string(l.Body))
		}
		fs, err := st.Finish(t.Context(), results(c.Leases))
		require.NoError(t, err)
		for _, f := range fs {
			require.Equal(t, store.FinishAccepted, f.State)
		}
		got += len(fs)
	}
	require.Equal(t, len(ids)*(2*len(ids)-1), got)
	for _, m := range ids {
		page, err := st.Events(t.Context(), m, store.EventQuery{Limit: 100, WebhookID: "*"})
		require.NoError(t, err)
		require.Len(t, page.Events, len(ids))
		for i, e := range page.Events {
			require.Equal(t, ids[i], e.ID)
			require.Equal(t, store.DeliverySucceeded, e.Delivered)
		}
	}
	require.NoError(t, st.Audit(t.Context()))
}
