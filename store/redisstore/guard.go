package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store"
)

const (
	schema             = "5"
	minMajor, minMinor = 6, 2
)

// checkEvery is how often a store looks again whether Redis is fit for it.
const checkEvery = time.Minute

// fitness is what a store last found of Redis.
type fitness struct {
	mu   sync.Mutex
	at   time.Time // zero before the store is opened
	err  error
	kept persistence // the worst when the store was opened
}

// fit says what is wrong with Redis, as of a minute ago at most. Somebody may have changed
// its settings, or another server may have its address now.
func (s *Store) fit(ctx context.Context) error {
	f := &s.fitness
	f.mu.Lock()
	if time.Since(f.at) < checkEvery {
		defer f.mu.Unlock()
		return f.err
	}
	f.at = time.Now() // Others go by the last time meanwhile.
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience) // One node that hangs holds up nobody for long.
	defer cancel()
	err := s.checkServers(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, unfit := errors.AsType[unfitError](err); unfit {
		f.err = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	} else if err == nil {
		f.err = nil // If it does not answer, what is asked for will fail by itself.
	}
	return f.err
}

// checkServers checks every node that data may be on.
func (s *Store) checkServers(ctx context.Context) error {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.checkServer(ctx, s.client)
	}
	var mu sync.Mutex
	var errs []error
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		if err := s.checkServer(ctx, node); err != nil {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, fmt.Errorf("node %s: %w", node.Options().Addr, err))
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

func (s *Store) checkServer(ctx context.Context, node redis.Cmdable) error {
	info, err := node.Info(ctx).Result()
	switch {
	case err != nil && ctx.Err() != nil, isNetwork(err), redis.IsAuthError(err):
		return err
	case redis.IsPermissionError(err) && !s.opts.AllowUnknownVersion:
		return fmt.Errorf("this user of redis may not run INFO; allow it with +info, or set Options.AllowUnknownVersion: %w", err)
	}
	err = errors.Join(
		s.checkVersion(infoField(info, "redis_version")),
		s.checkPolicy(policy(ctx, node, info)),
		s.checkPersistence(persistenceOf(ctx, node, info)),
	)
	if err != nil {
		return unfitError{err}
	}
	return nil
}

// checkPersistence fails if a server keeps what it acknowledges less well than when the
// store was opened.
func (s *Store) checkPersistence(kept persistence) error {
	f := &s.fitness
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at.IsZero() {
		f.kept = max(f.kept, kept)
	} else if kept > f.kept {
		return fmt.Errorf("the store was opened with %q, and now there is %q; set it back, or open the store again", f.kept, kept)
	}
	return nil
}

// unfitError says that a server answers, and is not fit.
type unfitError struct{ error }

// isNetwork says that err is not an answer of the server.
func isNetwork(err error) bool {
	var answer redis.Error
	return err != nil && !errors.As(err, &answer)
}

func (s *Store) checkVersion(version string) error {
	major, minor, ok := parseVersion(version)
	switch {
	case !ok && s.opts.AllowUnknownVersion:
		return nil
	case !ok:
		return errors.New("redis does not tell its version; if it is 6.2 or later, set Options.AllowUnknownVersion")
	case major < minMajor || major == minMajor && minor < minMinor:
		return fmt.Errorf("redis is %s; upgrade it to 6.2 or later", version)
	}
	return nil
}

func parseVersion(version string) (major, minor int, ok bool) {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err1 := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(second)
	return major, minor, err1 == nil && err2 == nil
}

// policy returns the maxmemory-policy, or empty if the server hides it.
func policy(ctx context.Context, node redis.Cmdable, info string) string {
	if answer, err := node.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil && answer["maxmemory-policy"] != "" {
		return answer["maxmemory-policy"]
	}
	return infoField(info, "maxmemory_policy")
}

func (s *Store) checkPolicy(policy string) error {
	switch {
	case policy == "noeviction" || s.opts.InsecureAllowEviction:
		return nil
	case policy == "":
		return errors.New("redis does not tell its maxmemory-policy; if it is noeviction, set Options.InsecureAllowEviction")
	default:
		return fmt.Errorf("maxmemory-policy is %s, so redis may drop deliveries; run CONFIG SET maxmemory-policy noeviction", policy)
	}
}

// infoField finds a field of the answer to INFO.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return v
		}
	}
	return ""
}

// layout is what is fixed when a store is first used.
type layout struct {
	id     string
	shards int
}

// checkLayout returns the layout of the store, which it makes if the store is new: first
// what the store is to be, then the id of each shard, then that all of them have one.
func (s *Store) checkLayout(ctx context.Context) (layout, error) {
	want := s.opts.Shards
	if want == 0 {
		want = 1
		if _, ok := s.client.(*redis.ClusterClient); ok {
			want = defaultClusterShards
		}
	}
	key := metaKey(s.opts.Prefix)
	meta, err := s.client.HGetAll(ctx, key).Result()
	if err == nil && meta["made"] == "" && (meta["schema"] == "" || meta["schema"] == schema) {
		// Not written by every process that starts, so that one can when memory is full.
		_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.HSetNX(ctx, key, "schema", schema)
			p.HSetNX(ctx, key, "shards", want)
			p.HSetNX(ctx, key, "id", strings.ToLower(rand.Text()))
			return nil
		})
		if err == nil {
			meta, err = s.client.HGetAll(ctx, key).Result()
		}
	}
	if err != nil {
		return layout{}, fmt.Errorf("layout: %w", err)
	}
	if meta["schema"] != schema {
		return layout{}, fmt.Errorf("%s has the layout %q, this version needs %q; use another Options.Prefix or the version that made it",
			key, meta["schema"], schema)
	}
	n, err := strconv.Atoi(meta["shards"])
	if err != nil || n < 1 || n > maxShards || len(meta["id"]) < 6 {
		return layout{}, fmt.Errorf("%s says %q shards and the id %q; delete the key if the store is empty, else restore it", key, meta["shards"], meta["id"])
	}
	if s.opts.Shards != 0 && n != s.opts.Shards {
		return layout{}, fmt.Errorf("the store was made with %d shards, and Options.Shards is %d; set it to 0 or %d, or use another Options.Prefix",
			n, s.opts.Shards, n)
	}
	l := layout{id: meta["id"], shards: n}
	return l, s.checkShards(ctx, key, l, meta["made"] == "")
}

// checkShards looks whether all parts are of the store, and marks them if it is new.
func (s *Store) checkShards(ctx context.Context, key string, l layout, fresh bool) error {
	ids := make([]*redis.StringCmd, l.shards)
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, h := range makeShards(s.opts.Prefix, l) {
			if fresh {
				p.SetNX(ctx, h.id, l.id, 0)
			}
			ids[i] = p.Get(ctx, h.id)
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("layout: %w", err)
	}
	for i, id := range ids {
		if id.Val() != l.id {
			return fmt.Errorf("shard %02x is not of the store that %s names: it was emptied or replaced; restore it, or use another Options.Prefix", i, key)
		}
	}
	if fresh {
		if err := s.client.HSet(ctx, key, "made", 1).Err(); err != nil {
			return fmt.Errorf("layout: %w", err)
		}
	}
	return nil
}
