package redisstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// TestDataOfBefore reads what was stored when a notice had no kind and a webhook
// no alarm.
func TestDataOfBefore(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	prefix := redistest.Prefix()
	t.Cleanup(func() { redistest.Forget(t, client, prefix) })
	c := newClock()
	st := newStore(t, client, &redisstore.Options{Prefix: prefix, Now: c.now}, 1)
	page, err := st.ListWebhooks(t.Context(), merchant, store.WebhookQuery{})
	require.NoError(t, err)
	w := page.Webhooks[0]
	p := prefix + ":{00}:"
	ctx := t.Context()

	// Three failures that nobody knows the beginning of.
	require.NoError(t, client.HSet(ctx, p+"w:1", "cf", 3).Err())
	at := c.now().Add(-time.Hour).UnixMilli()
	require.NoError(t, client.Eval(ctx, `
		redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack({ ARGV[2], ARGV[3], 'https://example.com/', 'why', 10, tonumber(ARGV[4]), 7 }))
		redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
		return redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])`,
		[]string{p + "no", p + "nv", p + "na"}, merchant+":"+w.ID+".7", merchant, w.ID, at).Err())
	require.NoError(t, st.Audit(ctx))

	_, err = st.Publish(ctx, merchant, newEvents(1, 10))
	require.NoError(t, err)
	got, err := st.Claim(ctx, everything)
	require.NoError(t, err)
	r := results(got.Leases)
	r[0].Outcome, r[0].Streak, r[0].WarnAfter, r[0].DisableAfter = store.Failed, store.StreakExtend, 4, 10
	_, err = st.Finish(ctx, r)
	require.NoError(t, err)
	require.NoError(t, st.Audit(ctx))

	notices, err := st.ClaimNotices(ctx, 10, time.Minute)
	require.NoError(t, err)
	require.Equal(t, []store.NoticeLease{
		{Token: 1, Notice: store.Notice{
			ID: store.NoticeID(store.NoticeDisabled, w.ID, 7, 0), Kind: store.NoticeDisabled, MerchantID: merchant, WebhookID: w.ID,
			URL: "https://example.com/", Reason: "why", Failures: 10, Since: time.UnixMilli(at).UTC(), At: time.UnixMilli(at).UTC(),
		}},
		{Token: 1, Notice: store.Notice{
			ID: store.NoticeID(store.NoticeWarning, w.ID, 1, 0), Kind: store.NoticeWarning, MerchantID: merchant, WebhookID: w.ID,
			URL: w.URL, Failures: 4, DisableAfter: 10, Since: c.now().UTC(), At: c.now().UTC(),
		}},
	}, notices)
	for _, n := range notices {
		require.NoError(t, st.AckNotice(ctx, merchant, n.ID))
	}
	require.NoError(t, st.Audit(ctx))
	require.Zero(t, client.Exists(ctx, p+"no", p+"nv", p+"na", p+"nt", p+"nw:1").Val())
}
