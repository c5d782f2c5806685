package redisstore_test

import (
	"fmt"
	"log"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/webhook"
)

func ExampleNew() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
	defer client.Close()

	st, err := redisstore.New(client, &redisstore.Options{Prefix: "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(st.Persistent()) // The first call, or st.Open, connects.
	// Output: true
}

func ExampleNew_mistakes() {
	_, err := redisstore.New(nil, &redisstore.Options{Prefix: "{shop}"})
	fmt.Println(err)
	// Output:
	// redisstore: client: must not be nil
	// prefix "{shop}": must not contain braces or spaces
}

func ExampleNew_webhook() {
	key := [32]byte{1} // Yours is random, and secret.

	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true})
	st, err := redisstore.New(client, nil)
	if err != nil {
		log.Fatal(err)
	}
	keys := []webhook.SecretKey{{ID: "k1", Key: key}} // 32 random bytes that you keep; seals secrets before they reach Redis
	svc, err1 := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: keys})
	disp, err2 := webhook.NewDispatcher(st, &webhook.DispatcherOptions{SecretKeys: keys})

	fmt.Println(svc != nil, disp != nil, err1, err2, client.Close())
	// Output: true true <nil> <nil> <nil>
}
