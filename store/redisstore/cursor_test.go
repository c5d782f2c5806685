package redisstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/store/storetest"
)

func FuzzCursor(f *testing.F) {
	client, prefix := redistest.Client(f), redistest.Prefix()
	f.Cleanup(func() { redistest.Forget(f, client, prefix) })
	st, err := redisstore.Open(f.Context(), client, &redisstore.Options{Prefix: prefix, Shards: 1})
	require.NoError(f, err)
	storetest.FuzzCursor(f, st,
		"d", "e", "d0", "e0", "d-1", "d+1", "d01", "dZ", "d_1", "x1", "d1y2p0ij32e8e7", "d1y2p0ij32e8e8", "d 1", "D1", "w", "w!", "wYQ", "m", "mYQ=", "mYR")
}
