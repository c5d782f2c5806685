package redisstore_test

import (
	"context"
	"os"
	"regexp"
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
	rules := strings.ReplaceAll(leastUser(t), "wh:*", "*") // Each case has a prefix of its own.

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
		st, err := redisstore.Open(t.Context(), client, o)
		require.NoError(t, err)
		auditor, err := redisstore.Open(t.Context(), admin, o)
		require.NoError(t, err)
		return storetest.Harness{Store: st, Advance: c.advance, Audit: auditor.Audit}
	}, 30)

	st, err := redisstore.Open(t.Context(), client, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, st.Watch(ctx, cancel), "it may listen")
}

// leastUser returns the rules of the user that docs/redis.md describes.
func leastUser(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../../docs/redis.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(readme), "\nACL SETUSER webhooks ")
	require.True(t, ok)
	rules, _, _ := strings.Cut(rest, "\n")
	return rules
}

// TestOldestRedis holds every command that the store may use against the oldest
// version that it accepts.
func TestOldestRedis(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	checked := 0
	for rule := range strings.FieldsSeq(leastUser(t)) {
		name, isCommand := strings.CutPrefix(rule, "+")
		if !isCommand {
			continue
		}
		name, _, _ = strings.Cut(name, "|")
		docs, err := client.Do(t.Context(), "command", "docs", name).Result()
		require.NoError(t, err)
		since := sinceOf(t, docs, name)
		major, minor, ok := redisstore.ParseVersion(since)
		require.True(t, ok, "%s: %s", name, since)
		require.True(t, major < 6 || major == 6 && minor <= 2, "%s came with Redis %s", name, since)
		checked++
	}
	require.Greater(t, checked, 30)
}

// sinceOf reads the version with which a command came from COMMAND DOCS.
func sinceOf(t *testing.T, docs any, name string) string {
	t.Helper()
	commands, ok := docs.(map[any]any)
	require.True(t, ok, "%T", docs)
	about, ok := commands[name].(map[any]any)
	require.True(t, ok, "there is no command %s", name)
	since, ok := about["since"].(string)
	require.True(t, ok)
	return since
}

// TestLayoutIsInTheDocs compares the layout at the head of the scripts with what
// docs/stores.md says of it.
func TestLayoutIsInTheDocs(t *testing.T) {
	t.Parallel()
	lib, err := os.ReadFile("lua/lib.lua")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(lib), "-- Reply ")
	_, rest, _ = strings.Cut(rest, "--\n")
	layout, _, _ := strings.Cut(rest, "\nlocal ")
	layout = strings.TrimRight(regexp.MustCompile(`(?m)^-- ?`).ReplaceAllString(layout, ""), "\n")
	require.Contains(t, layout, "written by")
	docs, err := os.ReadFile("../../docs/stores.md")
	require.NoError(t, err)
	require.Contains(t, string(docs), "```text\n"+layout+"\n```\n")
}
