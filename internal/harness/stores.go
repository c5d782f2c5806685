package harness

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// Backend is a store that a test sees the inside of.
type Backend struct {
	Store store.Store
	Dump  func() string // all that it holds
}

// Stores opens a new store of each kind.
func Stores() map[string]func(testing.TB) Backend {
	return map[string]func(testing.TB) Backend{
		"memory": func(testing.TB) Backend {
			st := memstore.New(nil)
			return Backend{st, func() string { return Dump(st) }}
		},
		"redis": func(tb testing.TB) Backend {
			tb.Helper()
			client, prefix := redistest.Client(tb), redistest.Prefix()
			tb.Cleanup(func() { redistest.Forget(tb, client, prefix) })
			st, err := redisstore.Open(tb.Context(), client, &redisstore.Options{Prefix: prefix})
			require.NoError(tb, err)
			return Backend{st, func() string {
				tb.Helper()
				all := redistest.Dump(tb, client, prefix)
				require.NotEmpty(tb, all)
				return Dump(all)
			}}
		},
	}
}

// OnEachStore runs a test on a store of each kind.
func OnEachStore(t *testing.T, test func(t *testing.T, st store.Store)) {
	t.Helper()
	for name, open := range Stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t).Store)
		})
	}
}
