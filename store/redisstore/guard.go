package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

const (
	schema             = "2"
	minMajor, minMinor = 6, 2
)

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
	if err := s.checkVersion(infoField(info, "redis_version")); err != nil {
		return err
	}
	return s.checkPolicy(policy(ctx, node, info))
}

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

// checkLayout returns the number of shards of the store, which it notes if the
// store is new.
func (s *Store) checkLayout(ctx context.Context) (int, error) {
	want := s.opts.Shards
	if want == 0 {
		want = 1
		if _, ok := s.client.(*redis.ClusterClient); ok {
			want = defaultClusterShards
		}
	}
	key := metaKey(s.opts.Prefix)
	meta, err := s.client.HGetAll(ctx, key).Result()
	if err == nil && len(meta) < 2 { // Not written by every process that starts, so that one can when memory is full.
		_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.HSetNX(ctx, key, "shards", want)
			p.HSetNX(ctx, key, "schema", schema)
			return nil
		})
		if err == nil {
			meta, err = s.client.HGetAll(ctx, key).Result()
		}
	}
	if err != nil {
		return 0, fmt.Errorf("layout: %w", err)
	}
	if meta["schema"] != schema {
		return 0, fmt.Errorf("%s has the layout %q, this version needs %q; use another Options.Prefix or the version that made it",
			key, meta["schema"], schema)
	}
	n, err := strconv.Atoi(meta["shards"])
	if err != nil || n < 1 || n > maxShards {
		return 0, fmt.Errorf("%s says %q shards; delete the key if the store is empty, else restore it", key, meta["shards"])
	}
	if s.opts.Shards != 0 && n != s.opts.Shards {
		return 0, fmt.Errorf("the store was made with %d shards, and Options.Shards is %d; set it to 0 or %d, or use another Options.Prefix",
			n, s.opts.Shards, n)
	}
	return n, nil
}
