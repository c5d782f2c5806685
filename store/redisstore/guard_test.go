package redisstore_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// hook answers commands instead of the server.
type hook struct {
	redis.Hook

	process func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error
}

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return h.process(ctx, cmd, next) }
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// answers makes a server that says something else to INFO and denies CONFIG.
func answers(info string) hook {
	return hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		switch cmd.Name() {
		case "info":
			if c, ok := cmd.(*redis.StringCmd); ok {
				c.SetVal(info)
			}
			return nil
		case "config":
			err := errors.New("NOPERM this user has no permissions to run the 'config' command")
			cmd.SetErr(err)
			return err
		default:
			return next(ctx, cmd)
		}
	}}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	_, err := redisstore.Open(t.Context(), nil, &redisstore.Options{Prefix: "a{b}", Shards: 1000, WaitReplicas: -1})
	for _, text := range []string{"client", "prefix", "shards", "wait replicas"} {
		require.ErrorContains(t, err, text)
	}
	ring := redis.NewRing(&redis.RingOptions{})
	t.Cleanup(func() { require.NoError(t, ring.Close()) })
	_, err = redisstore.Open(t.Context(), ring, nil)
	require.ErrorContains(t, err, "use a Cluster")
}

func TestGuards(t *testing.T) {
	t.Parallel()
	const fit = "redis_version:6.2.0\r\nmaxmemory_policy:noeviction\r\n"
	for _, c := range []struct {
		name, info string
		opts       redisstore.Options
		says       string // empty: opens
	}{
		{"config is denied", fit, redisstore.Options{}, ""},
		{"old", "redis_version:6.0.16\r\nmaxmemory_policy:noeviction\r\n", redisstore.Options{}, "upgrade it to 6.2"},
		{"old though unknown is allowed", "redis_version:5.9\r\n", redisstore.Options{AllowUnknownVersion: true}, "upgrade it to 6.2"},
		{"evicts", "redis_version:7.2.1\r\nmaxmemory_policy:volatile-lru\r\n", redisstore.Options{}, "CONFIG SET maxmemory-policy noeviction"},
		{"evicts and may", "redis_version:7.2.1\r\nmaxmemory_policy:allkeys-lru\r\n", redisstore.Options{InsecureAllowEviction: true}, ""},
		{"hides its policy", "redis_version:7.2.1\r\n", redisstore.Options{}, "InsecureAllowEviction"},
		{"hides its version", "maxmemory_policy:noeviction\r\n", redisstore.Options{}, "AllowUnknownVersion"},
		{"hides its version and may", "maxmemory_policy:noeviction\r\n", redisstore.Options{AllowUnknownVersion: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := redistest.Client(t)
			client.AddHook(answers(c.info))
			c.opts.Prefix = redistest.Prefix()
			t.Cleanup(func() { redistest.Forget(t, client, c.opts.Prefix) })
			_, err := redisstore.Open(t.Context(), client, &c.opts)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestPolicyOfServer(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t, "maxmemory-policy volatile-ttl").Client(t)
	_, err := redisstore.Open(t.Context(), client, nil)
	require.ErrorContains(t, err, "maxmemory-policy is volatile-ttl")
	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
	_, err = redisstore.Open(t.Context(), client, nil)
	require.NoError(t, err)
}

func TestLayout(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	opts := redisstore.Options{Prefix: redistest.Prefix(), Shards: 4}
	t.Cleanup(func() { redistest.Forget(t, client, opts.Prefix) })
	newStore(t, client, &opts, 3)
	newStore(t, client, &opts, 0)

	other := opts
	other.Shards = 2
	_, err := redisstore.Open(t.Context(), client, &other)
	require.ErrorContains(t, err, "was made with 4 shards")

	other.Shards = 0
	st := newStore(t, client, &other, 0)
	info, err := st.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, info.Shards)
	page, err := st.ListWebhooks(t.Context(), merchant, store.WebhookQuery{Limit: 100})
	require.NoError(t, err)
	require.Len(t, page.Webhooks, 3)

	require.NoError(t, client.HSet(t.Context(), opts.Prefix+":meta", "schema", "1").Err())
	_, err = redisstore.Open(t.Context(), client, &other)
	require.ErrorContains(t, err, `layout "1", this version needs "5"`)
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	_, err = redisstore.Open(t.Context(), client, nil)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "AllowUnknownVersion", "a server that is down hides nothing")
}

func TestInfo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settings []string
		says     string
	}{
		{nil, "no append-only file"},
		{[]string{"appendonly yes", "appendfsync always"}, "appendfsync always: nothing is lost"},
		{[]string{"appendonly yes"}, "two seconds"},
		{[]string{"appendonly yes", "appendfsync no"}, "half a minute"},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			info, err := newStore(t, redistest.Start(t, c.settings...).Client(t), nil, 0).Info(t.Context())
			require.NoError(t, err)
			require.Contains(t, info.Durability, c.says)
			require.Contains(t, info.Durability, "no replica")
			require.Regexp(t, `^\d+\.\d+`, info.Version)
		})
	}
}

func TestWaitReplicas(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	client := primary.Client(t)
	opts := redisstore.Options{WaitReplicas: 1, WaitTimeout: 50 * time.Millisecond, Prefix: redistest.Prefix()}
	st := newStore(t, client, &opts, 1)
	event := newEvents(1, 10)
	_, err := st.Publish(t.Context(), merchant, event)
	require.ErrorIs(t, err, redisstore.ErrNotReplicated)
	require.ErrorIs(t, err, store.ErrUnavailable)

	_, port, err := net.SplitHostPort(primary.Addr)
	require.NoError(t, err)
	replica := redistest.Start(t, "replicaof 127.0.0.1 "+port).Client(t)
	opts.WaitTimeout = 20 * time.Second
	st = newStore(t, client, &opts, 0)
	out, err := st.Publish(t.Context(), merchant, append(event, newEvents(1, 10)...))
	require.NoError(t, err)
	require.True(t, out[0].Duplicate)
	require.Len(t, out[1].Deliveries, 1)
	keys, err := replica.Keys(t.Context(), opts.Prefix+":*:e:*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 2)
}

// A client whose calls outlast their contexts is refused, before anybody relies on
// them.
func TestCallsMustBeBounded(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]redis.UniversalClient{
		"one server": redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}),
		"Sentinel":   redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{"127.0.0.1:1"}}),
		"Cluster":    redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() { require.NoError(t, client.Close()) })
			_, err := redisstore.Open(t.Context(), client, nil)
			require.ErrorContains(t, err, "set ContextTimeoutEnabled")
		})
	}
}

// TestRefusedLogin is not taken for a Redis of an unknown version.
func TestRefusedLogin(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	require.NoError(t, srv.Client(t).ConfigSet(t.Context(), "requirepass", "right").Err())
	for password, want := range map[string]string{"wrong": "WRONGPASS", "": "NOAUTH"} {
		client := redis.NewClient(&redis.Options{Addr: srv.Addr, Password: password, ContextTimeoutEnabled: true})
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		_, err := redisstore.Open(t.Context(), client, nil)
		require.ErrorContains(t, err, want)
	}
}

// TestRedisRefuses has a Redis that would have to be mended before it takes anything, while a
// store is used.
func TestRedisRefuses(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	for says, unavailable := range map[string]bool{
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.": true,
		"NOREPLICAS Not enough good replicas to write.":                                                    true,
		"NOAUTH Authentication required.":                                                                  true,
		"WRONGPASS invalid username-password pair or user is disabled.":                                    true,
		"NOPERM this user has no permissions to run the 'evalsha' command":                                 true,
		"READONLY You can't write against a read only replica.":                                            true,
		"ERR unknown command": false,
	} {
		client := srv.Client(t)
		st := newStore(t, client, &redisstore.Options{Prefix: redistest.Prefix()}, 1)
		client.AddHook(hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
			if name := cmd.Name(); name != "evalsha" && name != "eval" {
				return next(ctx, cmd)
			}
			cmd.SetErr(refusal(says))
			return refusal(says)
		}})
		_, err := st.Publish(t.Context(), merchant, newEvents(1, 10))
		require.ErrorContains(t, err, says)
		require.Equal(t, unavailable, errors.Is(err, store.ErrUnavailable), says)
		_, err = st.Claim(t.Context(), everything)
		require.Equal(t, unavailable, errors.Is(err, store.ErrUnavailable), says)
	}
}

// refusal is an answer of the server.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

// TestPolicyChanges changes a setting of the server while a store is used.
func TestPolicyChanges(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client(t)
	st := newStore(t, client, nil, 1)
	set := func(policy string) {
		require.NoError(t, client.ConfigSet(t.Context(), "maxmemory-policy", policy).Err())
		redisstore.LookAgain(st)
	}
	set("volatile-lru")
	for range 2 {
		_, err := st.Publish(t.Context(), merchant, newEvents(1, 10))
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.ErrorContains(t, err, "CONFIG SET maxmemory-policy noeviction")
	}
	_, err := st.Backlog(t.Context())
	require.ErrorIs(t, err, store.ErrUnavailable)
	set("noeviction")
	_, err = st.Publish(t.Context(), merchant, newEvents(1, 10))
	require.NoError(t, err)
}

// TestPersistenceChanges switches the append-only file off while a store is used, and
// opens the store again.
func TestPersistenceChanges(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t, "appendonly yes", "appendfsync always").Client(t)
	opts := redisstore.Options{Prefix: redistest.Prefix()}
	st := newStore(t, client, &opts, 1)
	_, err := st.Publish(t.Context(), merchant, newEvents(1, 10))
	require.NoError(t, err)
	for _, setting := range [][2]string{{"appendfsync", "everysec"}, {"appendonly", "no"}} {
		require.NoError(t, client.ConfigSet(t.Context(), setting[0], setting[1]).Err())
		redisstore.LookAgain(st)
		_, err = st.Publish(t.Context(), merchant, newEvents(1, 10))
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.ErrorContains(t, err, "open the store again")
		st = newStore(t, client, &opts, 0)
		_, err = st.Publish(t.Context(), merchant, newEvents(1, 10))
		require.NoError(t, err)
	}
}

// TestEmptied takes everything away from under a store, and lets another process open it
// anew. The first one takes nothing in any more until it does so too.
func TestEmptied(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	opts := redisstore.Options{Prefix: redistest.Prefix()}
	t.Cleanup(func() { redistest.Forget(t, client, opts.Prefix) })
	st := newStore(t, client, &opts, 1)
	out, err := st.Publish(t.Context(), merchant, newEvents(1, 10))
	require.NoError(t, err)
	before := out[0].Deliveries[0]
	refuses := func() {
		_, err := st.Publish(t.Context(), merchant, newEvents(1, 10))
		require.ErrorIs(t, err, store.ErrUnavailable)
		_, err = st.Claim(t.Context(), everything)
		require.ErrorIs(t, err, store.ErrUnavailable)
		_, err = st.Backlog(t.Context())
		require.ErrorContains(t, err, "emptied or replaced")
	}
	redistest.Forget(t, client, opts.Prefix)
	refuses()
	again := newStore(t, client, &opts, 1)
	refuses()
	out, err = again.Publish(t.Context(), merchant, newEvents(1, 10))
	require.NoError(t, err)
	require.NotEqual(t, before.ID, out[0].Deliveries[0].ID, "no id is given twice")
	_, err = again.Delivery(t.Context(), merchant, before.WebhookID, before.ID)
	require.ErrorIs(t, err, store.ErrNotFound)

	require.NoError(t, client.Del(t.Context(), opts.Prefix+":{00}:id").Err())
	_, err = redisstore.Open(t.Context(), client, &opts)
	require.ErrorContains(t, err, "shard 00 is not of the store")
}
