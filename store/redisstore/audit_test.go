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
		{"another id", func(ctx context.Context, p string) redis.Cmder { return client.Set(ctx, p+"id", "x", 0) }, "a shard has the id of the layout"},
		{"state", func(ctx context.Context, p string) redis.Cmder { return client.HSet(ctx, p+"t", "1", "x") }, "a webhook can be read"},
		{"settings", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"x:1") }, "a webhook can be read"},
		{"nothing to claim by", func(ctx context.Context, p string) redis.Cmder { return client.HDel(ctx, p+"w", "1") }, "that has a state can be claimed"},
		{"merchant", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"ms") }, "a shard lists its merchants"},
		{"list of webhooks", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"i:"+merchant) }, "a merchant lists its webhooks"},
		{"number", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"m:"+merchant) }, "a merchant lists its webhooks"},
		{"subscribers", func(ctx context.Context, p string) redis.Cmder {
			return client.HSet(ctx, p+"s", merchant+"|"+eventType, "\x00\x00\x00\x01\x00\x01x")
		}, "active and subscribes"},
		{"change twice", func(ctx context.Context, p string) redis.Cmder {
			return client.RPush(ctx, p+"ch:1", client.LIndex(ctx, p+"ch:1", -1).Val())
		}, "has a higher version than the one before"},
		{"registration", func(ctx context.Context, p string) redis.Cmder { return client.LPop(ctx, p+"ch:1") }, "changes begin with the registration"},
		{"last change", func(ctx context.Context, p string) redis.Cmder { return client.RPop(ctx, p+"ch:1") }, "the last change has the status"},
		{"change", func(ctx context.Context, p string) redis.Cmder { return client.RPush(ctx, p+"ch:1", "x") }, "a change can be read"},
		{"trouble", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"tr") }, "is listed in trouble if"},
		{"trouble of nobody", func(ctx context.Context, p string) redis.Cmder {
			return client.ZAdd(ctx, p+"tr", redis.Z{Score: 2, Member: "2"})
		}, "is listed in trouble if"},
		{"place in trouble", func(ctx context.Context, p string) redis.Cmder { return client.ZIncrBy(ctx, p+"tr", 1, "1") }, "is found by its number"},
		{"queue", func(ctx context.Context, p string) redis.Cmder { return client.RPush(ctx, p+"q:1", "x") }, "a queue has what was numbered"},
		{"queue with a gap", func(ctx context.Context, p string) redis.Cmder { return client.LSet(ctx, p+"q:1", 0, "") }, "a queue begins with a delivery"},
		{"queue that cannot be read", func(ctx context.Context, p string) redis.Cmder { return client.LSet(ctx, p+"q:1", 0, "x") }, "a delivery can be read"},
		{"claimed is gone", func(ctx context.Context, p string) redis.Cmder { return client.HDel(ctx, p+"a", "1:3") }, "counters of what was claimed agree"},
		{"claimed twice", func(ctx context.Context, p string) redis.Cmder {
			return client.HSet(ctx, p+"a", "1:1", client.HGet(ctx, p+"a", "1:3").Val())
		}, "a delivery is in one place"},
		{"claims", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"h") }, "a lease is of the last claim that has it"},
		{"in line and leased", func(ctx context.Context, p string) redis.Cmder {
			return client.ZAdd(ctx, p+"z:1", redis.Z{Score: 1, Member: "3"})
		}, "what is in line waits"},
		{"ended is gone", func(ctx context.Context, p string) redis.Cmder { return client.LPop(ctx, p+"l:1:0") }, "counters agree with the deliveries"},
		{"page by age", func(ctx context.Context, p string) redis.Cmder { return client.ZIncrBy(ctx, p+"p", 1, "1:0") }, "a page is found by its oldest end"},
		{"page", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"g:1") }, "a page that has something is listed"},
		{"paused", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"off") }, "a paused delivery is found by Prune"},
		{"ready", func(ctx context.Context, p string) redis.Cmder {
			return client.ZAdd(ctx, p+"r", redis.Z{Score: 1, Member: "1"})
		}, "only what is claimable is ready"},
		{"event", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"e:"+merchant+":evt_9") }, "an event of the log is stored"},
		{"log", func(ctx context.Context, p string) redis.Cmder { return client.RPop(ctx, p+"v:"+merchant) }, "an event is in the log of its merchant"},
		{"oldest event", func(ctx context.Context, p string) redis.Cmder { return client.ZIncrBy(ctx, p+"o", 1, merchant) }, "a log is found by its oldest event"},
		{"kept events", func(ctx context.Context, p string) redis.Cmder {
			return client.ZAdd(ctx, p+"u:"+merchant, redis.Z{Score: 1, Member: client.LIndex(ctx, p+"v:"+merchant, 0).Val()})
		}, "a merchant with kept events is named"},
		{"enqueued", func(ctx context.Context, p string) redis.Cmder {
			return client.HSet(ctx, p+"j", "1:evt_9", "12345678123456")
		}, "what was enqueued is found by its event"},
		{"pending", func(ctx context.Context, p string) redis.Cmder { return client.HIncrBy(ctx, p+"c", "pn", 1) }, "a shard counts its pending deliveries"},
		{"notice", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"nv") }, "a notice is in all three lists"},
		{"job", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"jv") }, "can be claimed, and holds its scope"},
		{"ended job", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"jx") }, "a job that has ended can age"},
		{"list of jobs", func(ctx context.Context, p string) redis.Cmder { return client.Del(ctx, p+"jl:"+merchant) }, "a job is listed"},
		{"job is gone", func(ctx context.Context, p string) redis.Cmder { return client.HDel(ctx, p+"jb", merchant+":job_0") }, "a job that is listed is there"},
		{"orphan", func(ctx context.Context, p string) redis.Cmder { return client.HSet(ctx, p+"a", "7:1", "x") }, "what is left of a deleted webhook is noted"},
		{"damaged", func(ctx context.Context, p string) redis.Cmder { return client.HSet(ctx, p+"bad", "q:1", "x") }, "nothing was found damaged"},
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
			settled := results(got.Leases)[:2]
			settled[1].Streak, settled[1].DisableAfter = store.StreakExtend, 1
			_, err = st.Finish(t.Context(), settled)
			require.NoError(t, err)
			_, err = st.Publish(t.Context(), merchant, events[5:])
			require.NoError(t, err)
			for _, id := range []string{"job_0", "job_1"} {
				_, err = st.AddJob(t.Context(), merchant, store.Job{ID: id, Scope: id})
				require.NoError(t, err)
			}
			_, err = st.UpdateJob(t.Context(), merchant, "job_0", store.JobUpdate{End: true})
			require.NoError(t, err)
			require.NoError(t, st.Audit(t.Context()))
			require.NoError(t, c.do(t.Context(), prefix+":{00}:").Err())
			require.ErrorContains(t, st.Audit(t.Context()), c.says)
		})
	}
}
