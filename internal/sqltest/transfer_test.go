//go:build !race

package sqltest_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/transfer"
)

// moveTo exports from one store and imports into another, and requires that all of it is new.
func moveTo(t *testing.T, from transfer.Source, to webhook.ServiceStore, old, o *webhook.ServiceOptions, webhooks int) {
	t.Helper()
	var file bytes.Buffer
	_, err := transfer.Export(t.Context(), &file, from, &transfer.ExportOptions{SecretKeys: old.SecretKeys, SealWith: o.SecretKeys[0]})
	require.NoError(t, err)
	done, err := transfer.Import(t.Context(), to, &file, &transfer.ImportOptions{Service: *o})
	require.NoError(t, err)
	require.Equal(t, transfer.Imported{Created: webhooks}, done)
}

// From memory to SQLite and on to a second file while serving: what was published to the
// first is sent by its dispatcher, what was published since by the other one, and every
// receiver verifies with the secret that it always had.
func TestMoveBetweenFilesOfSQLite(t *testing.T) {
	t.Parallel()
	out := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	sides := make([]*webhook.ServiceOptions, 3)
	for i := range sides {
		sides[i] = &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{{ID: "k1", Key: [32]byte{byte(i + 1)}}}, Egress: out}
	}
	memory := memstore.New(nil)
	svc, err := webhook.NewService(memory, sides[0])
	require.NoError(t, err)
	var mu sync.Mutex
	arrived := map[string]int{}
	var verify http.Handler
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { verify.ServeHTTP(w, r) }))
	defer receiver.Close()
	reg, err := svc.Register(t.Context(), "merchant_42", webhook.Registration{URL: receiver.URL, Events: []string{"*"}, Headers: webhook.Headers{"X-Tenant": "7"}})
	require.NoError(t, err)
	verify = verifier.Middleware(reg.Secret.Reveal(), nil)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("X-Tenant") == "7" {
			arrived[r.Header.Get(signer.HeaderStandardID)]++
		}
	}))
	first, second := sqltest.OpenSQLite(t, sqltest.SQLite(t, 4), nil), sqltest.OpenSQLite(t, sqltest.SQLite(t, 4), nil)
	moveTo(t, memory, first, sides[0], sides[1], 1)
	want, err := memory.Webhook(t.Context(), "merchant_42", reg.Webhook.ID)
	require.NoError(t, err)

	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 2)
	serve := func(st store.Store, o *webhook.ServiceOptions) *webhook.Service {
		t.Helper()
		svc, err := webhook.NewService(st, o)
		require.NoError(t, err)
		disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{SecretKeys: o.SecretKeys, Egress: out})
		require.NoError(t, err)
		go func() { stopped <- disp.Run(ctx) }()
		return svc
	}
	publish := func(svc *webhook.Service) {
		t.Helper()
		for range 200 {
			p, err := svc.Publish(t.Context(), "merchant_42", event.New(event.DocumentCreated{DocumentID: "doc_1"}))
			require.NoError(t, err)
			require.Len(t, p.Deliveries, 1)
		}
	}
	before := serve(first, sides[1])
	publish(before)
	moveTo(t, first, second, sides[1], sides[2], 1)
	publish(serve(second, sides[2]))
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(arrived) == 400
	}, time.Minute, 10*time.Millisecond)
	stop()
	require.NoError(t, <-stopped)
	require.NoError(t, <-stopped)
	for id, n := range arrived {
		require.Equal(t, 1, n, id)
	}
	got, err := second.Webhook(t.Context(), "merchant_42", reg.Webhook.ID)
	require.NoError(t, err)
	require.Equal(t, want.CreatedAt, got.CreatedAt)
	require.NotEqual(t, want.Secret, got.Secret)
}
