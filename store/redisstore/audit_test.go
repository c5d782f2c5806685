package redisstore_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// TestAudit breaks one key after the other and asks the audit.
func TestAudit(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	for _, c := range []struct {
		name string
		do   func(ctx context.Context, p string) redis.Cmder
		says string
	}{
		{"ready too late", func(ctx context.Context, p string) redis.Cmder { return client.ZIncrBy(ctx, p+"ready", 1e6, "1") }, "finds what is due"},
		{"not ready", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"ready") }, "finds what is due"},
		{"lease not known", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"held") }, "first lease"},
		{"in two queues", func(ctx context.Context, p string) redis.Cmder {
			return client.ZUnionStore(ctx, p+"q:1", &redis.ZStore{Keys: []string{p + "q:1", p + "f:1"}})
		}, "exactly one queue"},
		{"in no queue", func(ctx context.Context, p string) redis.Cmder { return client.ZPopMin(ctx, p+"l:1") }, "exactly one queue"},
		{"counter", func(ctx context.Context, p string) redis.Cmder { return client.HIncrBy(ctx, p+"w:1", "ok", 1) }, "counters"},
		{"attempts", func(ctx context.Context, p string) redis.Cmder { return client.HIncrBy(ctx, p+"w:1", "at", -1) }, "counters"},
		{"subscribers", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"s:"+merchant) }, "each of its types"},
		{"disabled unseen", func(ctx context.Context, p string) redis.Cmder { return client.HSet(ctx, p+"w:1", "st", "disabled") }, "active and subscribes"},
		{"body gone", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"e:"+merchant+":evt_9") }, "is stored"},
		{"pending miscounted", func(ctx context.Context, p string) redis.Cmder {
			return client.SetRange(ctx, p+"e:"+merchant+":evt_9", 0, "\x00\x00\x00\x09")
		}, "counts its pending"},
		{"list", func(ctx context.Context, p string) redis.Cmder { return client.HDel(ctx, p+"g:1:0", "2") }, "webhook's list"},
		{"webhook gone", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"w:1") }, "names its webhooks"},
		{"full bucket too full", func(ctx context.Context, p string) redis.Cmder { return client.HSet(ctx, p+"w:1", "rl", "5 5001 1") }, "a second's worth"},
		{"bucket overdrawn", func(ctx context.Context, p string) redis.Cmder { return client.HSet(ctx, p+"w:1", "rl", "5 -1 1") }, "a second's worth"},
		{"bucket without a time", func(ctx context.Context, p string) redis.Cmder { return client.HSet(ctx, p+"w:1", "rl", "5 7") }, "can be read"},
		{"no rate", func(ctx context.Context, p string) redis.Cmder { return client.HSet(ctx, p+"w:1", "rl", "0") }, "can be read"},
		{"ended unknown", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"old") }, "oldest ended"},
		{"notice not listed", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"nw:1") }, "lists its notices"},
		{"claim of no notice", func(ctx context.Context, p string) redis.Cmder { return client.HSet(ctx, p+"nt", "m:n", 1) }, "what was claimed"},
		{"notice without an age", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"na") }, "in both lists"},
		{"webhook not listed", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"i:"+merchant) }, "lists its webhooks"},
		{"merchant not listed", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"ms") }, "lists its merchants"},
		{"stray key", func(ctx context.Context, p string) redis.Cmder { return client.Set(ctx, p+"zzz", "1", 0) }, "no known kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			prefix := redistest.Prefix()
			t.Cleanup(func() { redistest.Forget(t, client, prefix) })
			st := newStore(t, client, &redisstore.Options{Prefix: prefix}, 1)
			events := newEvents(9, 10)
			events[8].ID = "evt_9"
			_, err := st.Publish(t.Context(), merchant, events[:5])
			require.NoError(t, err)
			ask := everything
			ask.Limit = 4
			got, err := st.Claim(t.Context(), ask)
			require.NoError(t, err)
			_, err = st.Finish(t.Context(), results(got.Leases)[:2])
			require.NoError(t, err)
			added, err := st.AddNotice(t.Context(), merchant, store.Notice{Kind: store.NoticeWarning, WebhookID: got.Leases[0].WebhookID}, "", "")
			require.NoError(t, err)
			require.True(t, added)
			_, err = st.Publish(t.Context(), merchant, events[5:])
			require.NoError(t, err)
			require.NoError(t, st.Audit(t.Context()))
			require.NoError(t, c.do(t.Context(), prefix+":{00}:").Err())
			require.ErrorContains(t, st.Audit(t.Context()), c.says)
		})
	}
}
