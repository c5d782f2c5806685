package redisstore_test

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store/redisstore"
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
