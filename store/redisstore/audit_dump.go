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
	kinds   []string // all keys
	hashes  map[string]map[string]string
	lists   map[string][]string
	sets    map[string]map[string]int64 // sorted ones
	strings map[string]string
}

// types are the kinds of keys, which is what stands before the first colon, by the type
// that Redis calls them.
var types = map[string][]string{ //nolint:gochecknoglobals // constant
	"hash":   {"c", "m", "s", "x", "w", "t", "a", "k", "j", "no", "gc", "bad", "jb", "js"},
	"list":   {"q", "l", "v", "ch"},
	"zset":   {"ms", "i", "z", "y", "g", "p", "f", "off", "tr", "o", "u", "us", "h", "r", "nv", "na", "nw", "untold", "jv", "jx", "jl", "jd"},
	"string": {"id", "e", "key", "sleep", "seen"},
}

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
	d := dump{hashes: map[string]map[string]string{}, lists: map[string][]string{}, sets: map[string]map[string]int64{}, strings: map[string]string{}}
	keys, err := s.scan(ctx, h.prefix)
	if err != nil || len(keys) == 0 {
		return d, err
	}
	var read []func() // puts what was read where it belongs
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, k := range keys {
			name := strings.TrimPrefix(k, h.prefix)
			d.kinds = append(d.kinds, name)
			kind, _, _ := strings.Cut(name, ":")
			switch {
			case slices.Contains(types["hash"], kind):
				c := p.HGetAll(ctx, k)
				read = append(read, func() { d.hashes[name] = c.Val() })
			case slices.Contains(types["list"], kind):
				c := p.LRange(ctx, k, 0, -1)
				read = append(read, func() { d.lists[name] = c.Val() })
			case slices.Contains(types["zset"], kind):
				c := p.ZRangeWithScores(ctx, k, 0, -1)
				read = append(read, func() { d.sets[name] = scores(c.Val()) })
			case slices.Contains(types["string"], kind):
				c := p.Get(ctx, k)
				read = append(read, func() {
					if c.Err() == nil { // Else it has expired meanwhile, as the note of a claim does.
						d.strings[name] = c.Val()
					}
				})
			default:
				return fmt.Errorf("key %s is of no known kind", k)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return d, err
	}
	for _, f := range read {
		f()
	}
	return d, nil
}

func scores(list []redis.Z) map[string]int64 {
	out := make(map[string]int64, len(list))
	for _, z := range list {
		member, _ := z.Member.(string) // always is
		out[member] = int64(z.Score)
	}
	return out
}

// each calls f for the keys of a kind with what follows the kind.
func each[V any](of map[string]V, kind string, f func(rest string, v V)) {
	for name, v := range of {
		if rest, ok := strings.CutPrefix(name, kind+":"); ok {
			f(rest, v)
		}
	}
}
