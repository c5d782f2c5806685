package redisstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/webhook"
)

func ExampleOpen_mistakes() {
	_, err := redisstore.Open(context.Background(), nil, &redisstore.Options{Prefix: "{shop}"})
	fmt.Println(err)
	// Output:
	// redisstore: open: client: must not be nil
	// prefix "{shop}": must not contain braces or spaces
}

func ExampleOpen() { //nolint:testableexamples // There may be no Redis.
	ctx := context.Background()
	key := [32]byte{1} // Yours is random, and secret.

	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true})
	st, err := redisstore.Open(ctx, client, nil)
	if err != nil {
		log.Fatal(err)
	}
	keys := []webhook.SecretKey{{ID: "k1", Key: key}} // 32 random bytes that you keep; seals secrets before they reach Redis
	svc, err1 := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: keys})
	disp, err2 := webhook.NewDispatcher(st, &webhook.DispatcherOptions{SecretKeys: keys})

	fmt.Println(svc != nil, disp != nil, err1, err2, client.Close())
}
