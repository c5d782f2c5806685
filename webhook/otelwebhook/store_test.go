package otelwebhook_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook/otelwebhook"
)

// TestStoreTimesEveryMethod calls all methods, with a context that has ended.
func TestStoreTimesEveryMethod(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	p := newProbe(t, otelwebhook.Options{})
	st := reflect.ValueOf(p.Store(memstore.New(nil)))
	calls := 0
	for m := range reflect.TypeFor[store.Store]().Methods() {
		if m.Name == "Watch" {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(ended)}
		for i := 1; i < m.Type.NumIn(); i++ {
			args = append(args, reflect.Zero(m.Type.In(i)))
		}
		st.MethodByName(m.Name).Call(args)
		calls++
		require.Len(t, series(t, p.collect(t)["webhook.store.operation.duration"]), calls, m.Name) //nolint:contextcheck // ended is for the calls
	}
	require.Greater(t, calls, 20)
}
