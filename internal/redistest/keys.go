package redistest

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Forget deletes every key that begins with a prefix.
func Forget(tb testing.TB, client redis.UniversalClient, prefix string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
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
