package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// dump is all that a shard holds, with keys as they follow the shard's prefix.
type dump struct {
	hashes  map[string]map[string]string
	sets    map[string]map[string]int64 // sorted sets
	strings map[string]string
}

// The kinds of keys: what stands before the first colon.
var (
	hashKinds   = []string{"c", "m", "s", "w", "d", "g", "y", "v", "no", "nt", "gc"}                                                 //nolint:gochecknoglobals // constant
	setKinds    = []string{"p", "q", "t", "l", "f", "x", "nw", "i", "ms", "ready", "held", "old", "full", "off", "idle", "nv", "na"} //nolint:gochecknoglobals // constant
	stringKinds = []string{"e", "k", "seen", "again"}                                                                                //nolint:gochecknoglobals // constant
)

// scan lists the keys that begin with a prefix.
func (s *Store) scan(ctx context.Context, prefix string) ([]string, error) {
	var mu sync.Mutex
	var out []string
	pattern := strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(prefix) + "*"
	one := func(ctx context.Context, node redis.Cmdable) error {
		for cursor := uint64(0); ; {
			keys, next, err := node.Scan(ctx, cursor, pattern, 10_000).Result()
			if err != nil {
				return err
			}
			mu.Lock()
			out = append(out, keys...)
			mu.Unlock()
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	}
	var err error
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return one(ctx, node) })
	} else {
		err = one(ctx, s.client)
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

// read reads a whole shard.
func (s *Store) read(ctx context.Context, h shard) (dump, error) {
	d := dump{hashes: map[string]map[string]string{}, sets: map[string]map[string]int64{}, strings: map[string]string{}}
	keys, err := s.scan(ctx, h.prefix)
	if err != nil || len(keys) == 0 {
		return d, err
	}
	hashes, sets, texts := map[string]*redis.MapStringStringCmd{}, map[string]*redis.ZSliceCmd{}, map[string]*redis.StringCmd{}
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, k := range keys {
			name := strings.TrimPrefix(k, h.prefix)
			kind, _, _ := strings.Cut(name, ":")
			switch {
			case slices.Contains(hashKinds, kind):
				hashes[name] = p.HGetAll(ctx, k)
			case slices.Contains(setKinds, kind):
				sets[name] = p.ZRangeWithScores(ctx, k, 0, -1)
			case slices.Contains(stringKinds, kind):
				texts[name] = p.Get(ctx, k)
			default:
				return fmt.Errorf("key %s is of no known kind", k)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return d, err
	}
	for name, c := range hashes {
		if c.Err() != nil {
			return d, c.Err()
		}
		d.hashes[name] = c.Val()
	}
	for name, c := range sets {
		if c.Err() != nil {
			return d, c.Err()
		}
		d.sets[name] = map[string]int64{}
		for _, z := range c.Val() {
			member, _ := z.Member.(string) // always is
			d.sets[name][member] = int64(z.Score)
		}
	}
	for name, c := range texts {
		if errors.Is(c.Err(), redis.Nil) {
			continue // It has expired since its name was read, as the note of a claim does.
		}
		if c.Err() != nil {
			return d, c.Err()
		}
		d.strings[name] = c.Val()
	}
	return d, nil
}

// each calls f for the keys of a kind with what follows the kind, in order.
func each[V any](of map[string]V, kind string, f func(rest string, v V)) {
	var names []string
	for name := range of {
		if strings.HasPrefix(name, kind+":") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		f(strings.TrimPrefix(name, kind+":"), of[name])
	}
}
