package redistest

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Forget deletes every key that begins with a prefix.
func Forget(t testing.TB, client redis.UniversalClient, prefix string) {
	t.Helper()
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
		must(t, c.ForEachMaster(ctx, forget))
	case *redis.Client:
		must(t, forget(ctx, c))
	}
}
