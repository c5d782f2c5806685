package redistest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Dump returns the content of every key that begins with a prefix, as text that can be
// searched, since nothing in it is encoded. Two dumps are equal if nothing but
// expiry times has changed.
func Dump(tb testing.TB, client *redis.Client, prefix string) map[string]string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	out := map[string]string{}
	keys := client.Scan(ctx, 0, prefix+"*", 10_000).Iterator()
	for keys.Next(ctx) {
		key := keys.Val()
		var text strings.Builder
		switch kind := client.Type(ctx, key).Val(); kind {
		case "string":
			text.WriteString(client.Get(ctx, key).Val())
		case "hash":
			fields := client.HGetAll(ctx, key).Val()
			for _, name := range slices.Sorted(maps.Keys(fields)) {
				text.WriteString(name + " " + fields[name] + "\n")
			}
		case "list":
			text.WriteString(strings.Join(client.LRange(ctx, key, 0, -1).Val(), "\n"))
		case "zset":
			for _, z := range client.ZRangeWithScores(ctx, key, 0, -1).Val() {
				fmt.Fprintf(&text, "%v %f\n", z.Member, z.Score)
			}
		default:
			tb.Fatalf("redistest: key %s is a %s, which Dump cannot read", key, kind)
		}
		out[key] = text.String()
	}
	must(tb, keys.Err())
	return out
}

// Forget deletes every key that begins with a prefix.
func Forget(tb testing.TB, client redis.UniversalClient, prefix string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	forget := func(ctx context.Context, node *redis.Client) error {
		keys := node.Scan(ctx, 0, prefix+"*", 10_000).Iterator()
		for keys.Next(ctx) {
			if err := node.Unlink(ctx, keys.Val()).Err(); err != nil {
				return err
			}
		}
		return keys.Err()
	}
	switch c := client.(type) {
	case *redis.ClusterClient:
		must(tb, c.ForEachMaster(ctx, forget))
	case *redis.Client:
		must(tb, forget(ctx, c))
	}
}
