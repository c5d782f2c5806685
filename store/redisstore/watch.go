package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Watch implements [store.Queue] with a subscription of its own connection. A
// message can be lost while the connection is made anew, after which wake is
// called, or when a node of a Cluster fails.
func (s *Store) Watch(ctx context.Context, wake func()) error {
	sub := s.client.Subscribe(ctx, wakeChannel(s.opts.Prefix))
	messages := sub.ChannelWithSubscriptions()
	defer func() {
		_ = sub.Close() // It only gives the connection back.
		for range messages {
			continue // until its goroutine has ended
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-messages: // a wake, or word that the subscription is there (again)
			if !ok {
				return fmt.Errorf("redisstore: watch: %w", redis.ErrClosed)
			}
			wake()
		}
	}
}
