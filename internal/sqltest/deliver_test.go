package sqltest_test

import (
	"context"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// An order and its webhook commit together: what is rolled back is never sent, and what is
// committed arrives.
func TestAnOrderAndItsWebhook(t *testing.T) {
	t.Parallel()
	db := sqltest.Postgres(t, "pgx")
	st := sqltest.Open(t, db, nil)
	keys := []webhook.SecretKey{{ID: "k1", Key: [32]byte{1}}}
	out := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: keys, Egress: out})
	require.NoError(t, err)
	d, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{SecretKeys: keys, Egress: out})
	require.NoError(t, err)
	got := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get(signer.HeaderStandardID)
	}))
	defer receiver.Close()
	_, err = svc.Register(t.Context(), "merchant_42", webhook.Registration{URL: receiver.URL, Events: []string{"document.created", "document.*"}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(ctx) }()

	order := func(end func(tx *sql.Tx) error) string {
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
		published, err := svc.PublishTo(t.Context(), st.In(tx), "merchant_42", e)
		require.NoError(t, err)
		require.True(t, published[0].Deferred)
		require.NoError(t, end(tx))
		st.Wake()
		return published[0].EventID
	}
	order((*sql.Tx).Rollback)
	id := order((*sql.Tx).Commit)
	require.Equal(t, id, <-got)
	stop()
	require.NoError(t, <-stopped)
	require.Empty(t, got)
}
