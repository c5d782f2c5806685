package redisstore_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/store/storetest"
)

// TestLeastUser plays all of the store as the user of Redis that the README calls
// sufficient.
func TestLeastUser(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(readme), "\nACL SETUSER webhooks ")
	require.True(t, ok)
	rules, _, _ := strings.Cut(rest, "\n")
	rules = strings.ReplaceAll(rules, "wh:*", "*") // Each case has a prefix of its own.

	srv := redistest.Start(t)
	admin := srv.Client(t)
	args := []any{"ACL", "SETUSER", "webhooks"}
	for rule := range strings.FieldsSeq(rules) {
		args = append(args, rule)
	}
	require.NoError(t, admin.Do(t.Context(), args...).Err())
	client := redis.NewClient(&redis.Options{
		Addr: srv.Addr, Username: "webhooks", Password: "password", ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	require.Error(t, client.FlushAll(t.Context()).Err(), "it may not do everything")
	storetest.RunDifferential(t, func(t *testing.T) storetest.Harness {
		t.Helper()
		c := newClock()
		o := &redisstore.Options{Prefix: redistest.Prefix(), Now: c.now}
		st, err := redisstore.New(client, o)
		require.NoError(t, err)
		auditor, err := redisstore.New(admin, o)
		require.NoError(t, err)
		return storetest.Harness{Store: st, Advance: c.advance, Audit: auditor.Audit}
	}, 30)

	st, err := redisstore.New(client, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, st.Watch(ctx, cancel), "it may listen")
}
