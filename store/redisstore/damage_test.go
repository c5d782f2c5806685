package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/store/storetest"
)

// damages are what may happen to the keys and records of one webhook, which is number 1
// and belongs to merchant_0, or to a member of what all share. The values of a hash are
// damaged by name.
func damages(ctx context.Context, c redis.Cmdable, p string) map[string]func() error {
	out := map[string]func() error{}
	for _, k := range []string{"q:1", "z:1", "y:1", "g:1", "l:1:0", "x:1", "ch:1", "i:merchant_0", "m:merchant_0", "v:merchant_0", "e:merchant_0:evt_5", "e:merchant_0:evt_0", "nw:1", "jl:merchant_0", "jd:merchant_0"} {
		gone := func() error { return some(c.Del(ctx, p+k).Result()) }
		out["no "+k] = gone
		out["another type of "+k] = func() error {
			if err := gone(); err != nil {
				return err
			}
			if k[0] == 'e' {
				return c.LPush(ctx, p+k, "x").Err()
			}
			return c.Set(ctx, p+k, "x", 0).Err()
		}
	}
	hashes := map[string][]string{"t": {"1"}, "w": {"1"}, "a": {"1:2", "1:3", "1:8"}, "s": {"merchant_0|" + eventType}, "j": {"1:evt_1"}, "x:1": {"ev", "ver", "id", "m"}, "c": {"token", "no", "pn", "job"}, "no": {"oldest"}, "jb": {"merchant_0:job"}, "js": {"merchant_0:scope"}}
	for k, fields := range hashes {
		for _, f := range fields {
			at := func() string { // The id of a notice is the store's.
				if f != "oldest" {
					return f
				}
				ids, _ := c.HKeys(ctx, p+k).Result()
				return slices.Min(ids)
			}
			out["no "+k+" "+f] = func() error { return some(c.HDel(ctx, p+k, at()).Result()) }
			out["garbage in "+k+" "+f] = func() error { return c.HSet(ctx, p+k, at(), "\xc1\xff\xff\xff\xff\xff\xff\xff\xff").Err() }
			out["nothing in "+k+" "+f] = func() error { return c.HSet(ctx, p+k, at(), "").Err() }
			out["half of "+k+" "+f] = func() error {
				v, _ := c.HGet(ctx, p+k, at()).Result()
				return c.HSet(ctx, p+k, at(), v[:len(v)/2]).Err()
			}
		}
	}
	for _, k := range []string{"q:1", "l:1:0", "v:merchant_0", "ch:1"} {
		out["garbage in "+k] = func() error { return c.LSet(ctx, p+k, 0, "garbage").Err() }
		out["half of "+k] = func() error {
			v, _ := c.LIndex(ctx, p+k, 0).Result()
			return c.LSet(ctx, p+k, 0, v[:len(v)/2]).Err()
		}
	}
	for _, k := range []string{"z:1", "y:1", "g:1", "p", "f", "off", "tr", "o", "h", "r", "us", "nv", "na", "jv", "jx", "jl:merchant_0", "jd:merchant_0"} {
		out["garbage in "+k] = func() error { return c.ZAdd(ctx, p+k, redis.Z{Score: 1, Member: "garbage"}).Err() }
	}
	for _, e := range []string{"evt_0", "evt_5"} {
		out["half of "+e] = func() error {
			v, _ := c.Get(ctx, p+"e:merchant_0:"+e).Result()
			return c.Set(ctx, p+"e:merchant_0:"+e, v[:9], 0).Err()
		}
		out["garbage in "+e] = func() error { return c.Set(ctx, p+"e:merchant_0:"+e, "\xff\xff\xff\xffgarbage", 0).Err() }
	}
	return out
}

// some fails if there was nothing to damage.
func some(n int64, err error) error {
	if n == 0 && err == nil {
		return errors.New("there is nothing to damage")
	}
	return err
}

// told are those damages that the store has to notice.
var told = []string{
	"garbage in q:1", "half of q:1", "garbage in evt_5", "half of evt_5", "no e:merchant_0:evt_5", "garbage in a 1:2", "half of a 1:3", "garbage in t 1", "half of jb merchant_0:job",
}

// TestDamage damages each kind of record and key in turn.
func TestDamage(t *testing.T) {
	t.Parallel()
	names := slices.Sorted(maps.Keys(damages(t.Context(), nil, "")))
	for _, name := range told {
		require.Contains(t, names, name)
	}
	client := redistest.Client(t)
	storetest.RunDamage(t, func(t *testing.T) storetest.Harness {
		t.Helper()
		clock, prefix := newClock(), redistest.Prefix()
		t.Cleanup(func() { redistest.Forget(t, client, prefix) })
		h := storetest.Harness{Store: newStore(t, client, &redisstore.Options{Prefix: prefix, Now: clock.now}, 0), Advance: clock.advance}
		for _, name := range names {
			h.Damages = append(h.Damages, storetest.Damage{Name: name, Told: slices.Contains(told, name), Do: func(ctx context.Context, _ storetest.Victim) error {
				return damages(ctx, client, prefix+":{00}:")[name]()
			}})
		}
		return h
	})
}

// TestDamageIsNamed damages a delivery, and asks what is known of it.
func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	opts := redisstore.Options{Prefix: redistest.Prefix()}
	t.Cleanup(func() { redistest.Forget(t, client, opts.Prefix) })
	st := newStore(t, client, &opts, 1)
	out, err := st.Publish(t.Context(), merchant, newEvents(3, 10))
	require.NoError(t, err)
	require.NoError(t, client.LSet(t.Context(), opts.Prefix+":{00}:q:1", 1, "garbage").Err())
	c, err := st.Claim(t.Context(), everything)
	require.NoError(t, err)
	require.Len(t, c.Leases, 2)
	b, err := st.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(1), b.Damaged)
	require.Equal(t, int64(2), b.Pending)
	info, err := st.Info(t.Context())
	require.NoError(t, err)
	require.Len(t, info.Damaged, 1)
	for _, part := range []string{out[1].Deliveries[0].ID, "whk_000000000000000000000000", merchant, "cannot be read"} {
		require.Contains(t, info.Damaged[0].String(), part)
	}
	require.ErrorContains(t, st.Audit(t.Context()), out[1].Deliveries[0].ID)
	for _, want := range [][]store.Damage{info.Damaged, nil} {
		pruned, err := st.Prune(t.Context(), store.PruneRequest{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, want, pruned.Damaged, "it is told once")
	}
}

// TestDamagedEvent damages an event and takes another one away: their deliveries end.
func TestDamagedEvent(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	opts := redisstore.Options{Prefix: redistest.Prefix()}
	t.Cleanup(func() { redistest.Forget(t, client, opts.Prefix) })
	st := newStore(t, client, &opts, 1)
	events := newEvents(3, 10)
	out, err := st.Publish(t.Context(), merchant, events)
	require.NoError(t, err)
	key := func(i int) string { return opts.Prefix + ":{00}:e:" + merchant + ":" + events[i].ID }
	require.NoError(t, client.Set(t.Context(), key(0), "\xff\xffgarbage", 0).Err())
	require.NoError(t, client.Del(t.Context(), key(1)).Err())
	c, err := st.Claim(t.Context(), everything)
	require.NoError(t, err)
	require.Len(t, c.Leases, 1)
	for _, p := range out[:2] {
		d, err := st.Delivery(t.Context(), merchant, p.Deliveries[0].WebhookID, p.Deliveries[0].ID)
		require.NoError(t, err)
		require.Equal(t, store.DeliveryFailed, d.Status)
		require.Equal(t, store.CodeDamaged, d.Code)
	}
	info, err := st.Info(t.Context())
	require.NoError(t, err)
	require.Len(t, info.Damaged, 2)
}

// TestSweep takes away what leads to deliveries that were claimed. Prune finds them.
func TestSweep(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]string{"leases": {"h"}, "line": {"z:1"}, "both": {"h", "z:1", "r"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, clock, prefix := redistest.Client(t), newClock(), redistest.Prefix()
			t.Cleanup(func() { redistest.Forget(t, client, prefix) })
			st := newStore(t, client, &redisstore.Options{Prefix: prefix, Now: clock.now}, 1)
			_, err := st.Publish(t.Context(), merchant, newEvents(20, 10))
			require.NoError(t, err)
			c, err := st.Claim(t.Context(), everything)
			require.NoError(t, err)
			require.Len(t, c.Leases, 20)
			rs := results(c.Leases[:10])
			for i := range rs {
				rs[i].Outcome, rs[i].Delay = store.Retry, time.Minute
			}
			_, err = st.Finish(t.Context(), rs)
			require.NoError(t, err)
			for _, k := range keys {
				require.NoError(t, some(client.Del(t.Context(), prefix+":{00}:"+k).Result()))
			}
			clock.advance(time.Hour)
			_, err = st.Prune(t.Context(), store.PruneRequest{Limit: 1})
			require.NoError(t, err)
			c, err = st.Claim(t.Context(), everything)
			require.NoError(t, err)
			require.Len(t, c.Leases, 20)
			_, err = st.Finish(t.Context(), results(c.Leases))
			require.NoError(t, err)
			s, err := st.Stats(t.Context(), merchant, "whk_000000000000000000000000")
			require.NoError(t, err)
			require.Equal(t, store.Stats{Total: 20, Succeeded: 20, Attempts: 30}, s)
		})
	}
}

// TestSharedKeyOfAnotherType replaces each key that a whole shard shares. What is refused
// is an outage that names the key, the other shard goes on, and once the key is back
// all arrives.
func TestSharedKeyOfAnotherType(t *testing.T) {
	t.Parallel()
	for kind := range strings.FieldsSeq("c ms s w t a p f off tr k o us j h r no nv na jb jv jx js gc bad untold") {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ctx, client, clock, prefix := t.Context(), redistest.Client(t), newClock(), redistest.Prefix()
			t.Cleanup(func() { redistest.Forget(t, client, prefix) })
			st := newStore(t, client, &redisstore.Options{Prefix: prefix, Now: clock.now, Shards: 2}, 0)
			merchants := []string{"merchant_0", "merchant_1"} // of the first shard and of the second
			got := map[string]bool{}
			publish := func(m string, id int) error {
				e := store.NewEvent{ID: fmt.Sprint("evt_", id), Type: eventType, Fingerprint: fmt.Sprint(id), Body: []byte("x")}
				_, err := st.Publish(ctx, m, []store.NewEvent{e})
				return err
			}
			claim := func(outcome store.Outcome) error {
				c, err := st.Claim(ctx, store.ClaimRequest{Limit: 10, Lease: time.Minute, PerWebhook: 2})
				if err != nil {
					return err
				}
				rs := results(c.Leases)
				for i, l := range c.Leases {
					got[l.MerchantID+" "+l.EventID] = true
					rs[i].Outcome, rs[i].Streak = outcome, store.StreakExtend
				}
				_, err = st.Finish(ctx, rs)
				return err
			}
			for _, m := range merchants {
				_, err := st.CreateWebhook(ctx, m, store.Webhook{ID: "whk", URL: "https://example.com", Events: []string{eventType}, Status: store.Active}, 0)
				require.NoError(t, err)
				for id := range 5 {
					require.NoError(t, publish(m, id))
				}
				_, err = st.AddNotice(ctx, m, store.Notice{Kind: store.NoticeWarning, WebhookID: "whk"}, "", "mark")
				require.NoError(t, err)
			}
			require.NoError(t, claim(store.Retry))
			require.Equal(t, int64(1), client.Exists(ctx, prefix+":{00}:m:merchant_0", prefix+":{00}:m:merchant_1").Val())
			require.Equal(t, int64(1), client.Exists(ctx, prefix+":{00}:m:merchant_0").Val())

			key := prefix + ":{00}:" + kind
			before, err := client.Dump(ctx, key).Result()
			if !errors.Is(err, redis.Nil) {
				require.NoError(t, err)
				require.NoError(t, client.Del(ctx, key).Err())
			}
			require.NoError(t, client.SetNX(ctx, key, "x", 0).Err())
			for round := range 3 {
				clock.advance(time.Minute)
				_, backlog := st.Backlog(ctx)
				_, prune := st.Prune(ctx, store.PruneRequest{DeliveryAge: time.Hour, EventAge: time.Hour, NoticeAge: time.Hour, JobAge: time.Hour, DeliveriesPerWebhook: 10, Limit: 100})
				for _, err := range []error{publish(merchants[0], 10+round), claim(store.Succeeded), backlog, prune} {
					if err != nil {
						require.ErrorIs(t, err, store.ErrUnavailable)
						require.ErrorContains(t, err, "the key "+key+" is a string")
					}
				}
				require.NoError(t, publish(merchants[1], 10+round))
			}
			require.NoError(t, client.Del(ctx, key).Err())
			if before != "" {
				require.NoError(t, client.Restore(ctx, key, 0, before).Err())
			}

			for _, m := range merchants {
				for round := range 3 {
					require.NoError(t, publish(m, 10+round))
				}
			}
			for range 20 {
				clock.advance(time.Minute)
				require.NoError(t, claim(store.Succeeded))
			}
			for _, m := range merchants {
				for _, id := range []int{0, 1, 2, 3, 4, 10, 11, 12} {
					require.Contains(t, got, fmt.Sprint(m, " evt_", id))
				}
			}
		})
	}
}
