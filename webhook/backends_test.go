package webhook_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// backend is a store that a test sees the inside of.
type backend struct {
	store store.Store
	dump  func() string // all that it holds
}

// stores opens a new store of each kind.
func stores() map[string]func(*testing.T) backend {
	return map[string]func(*testing.T) backend{
		"memory": func(*testing.T) backend {
			st := memstore.New(nil)
			return backend{st, func() string { return dump(st) }}
		},
		"redis": func(t *testing.T) backend {
			t.Helper()
			client, prefix := redistest.Client(t), redistest.Prefix()
			t.Cleanup(func() { redistest.Forget(t, client, prefix) })
			st, err := redisstore.New(client, &redisstore.Options{Prefix: prefix})
			require.NoError(t, err)
			return backend{st, func() string {
				t.Helper()
				all := redistest.Dump(t, client, prefix)
				require.NotEmpty(t, all)
				return dump(all)
			}}
		},
	}
}

// onEachStore runs a test on a store of each kind.
func onEachStore(t *testing.T, test func(t *testing.T, st store.Store)) {
	t.Helper()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t).store)
		})
	}
}
