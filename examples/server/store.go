package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

const clusterScheme = "redis+cluster"

// openStore opens "memory", redis:// and rediss:// addresses, and those of a
// cluster: redis+cluster://host:port?addr=host:port&addr=….
func openStore(ctx context.Context, address string) (store.Store, func(), error) {
	if address == "memory" {
		return memstore.New(nil), func() {}, nil
	}
	client, err := redisClient(address)
	if err != nil {
		return nil, nil, fmt.Errorf("-store: %w", err)
	}
	closeClient := func() { _ = client.Close() }
	st, err := redisstore.Open(ctx, client, nil)
	if err != nil {
		closeClient()
		return nil, nil, fmt.Errorf("-store: %w", err)
	}
	return st, closeClient, nil
}

// checkAddress returns what is wrong with an address, without connecting.
func checkAddress(address string) error {
	if address == "memory" {
		return nil
	}
	client, err := redisClient(address)
	if err != nil {
		return err
	}
	return client.Close()
}

// errAddress does not quote the address, which may hold a password.
var errAddress = errors.New("is not an address of a Redis, such as redis://:password@host:6379/0")

func redisClient(address string) (redis.UniversalClient, error) {
	scheme, rest, _ := strings.Cut(address, "://")
	switch scheme {
	case "redis", "rediss":
		o, err := redis.ParseURL(address)
		if err != nil {
			return nil, errAddress
		}
		o.ContextTimeoutEnabled = true
		return redis.NewClient(o), nil
	case clusterScheme, clusterScheme + "s":
		o, err := redis.ParseClusterURL(strings.Replace(scheme, clusterScheme, "redis", 1) + "://" + rest)
		if err != nil {
			return nil, errAddress
		}
		o.ContextTimeoutEnabled = true
		return redis.NewClusterClient(o), nil
	}
	return nil, fmt.Errorf("%q is none of memory, redis://… and redis+cluster://…", scheme)
}
