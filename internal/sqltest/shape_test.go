package sqltest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// awkward makes what a column of text or JSON could not keep.
func awkward(e event.Event) (event.Shaped, error) {
	return event.Shaped{
		Body: []byte("\n\n" + string(e.Type) + " \x00 Zoë '\\\r\n"), ContentType: "text/plain; charset=utf-8",
		Header: map[string]string{"ce-type": string(e.Type)},
	}, nil
}

func requireShaped(t *testing.T, svc *webhook.Service, merchantID, eventID string) {
	t.Helper()
	want, err := awkward(event.Event{Type: "document.created"})
	require.NoError(t, err)
	got, err := svc.Event(t.Context(), merchantID, eventID)
	require.NoError(t, err)
	require.Equal(t, want, got.Sent)
}

// TestShapesInAnOutbox are made before the commit, and relayed as they are.
func TestShapesInAnOutbox(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		plain := h.Service
		var err error
		h.Service, err = webhook.NewService(h.st, &webhook.ServiceOptions{Catalog: event.DefaultCatalog().WithShape(awkward)})
		require.NoError(t, err)
		h.write(doc("evt_1", "first"))
		h.relay(h.Box, plain)
		require.Equal(t, []string{"evt_1"}, h.sent())
		requireShaped(h.T, plain, "m", "evt_1")
	})
}

func TestShapesInSQL(t *testing.T) {
	t.Parallel()
	for name, st := range map[string]store.Store{
		"PostgreSQL": sqltest.Open(t, sqltest.Postgres(t, "pgx"), nil),
		"SQLite":     sqltest.OpenSQLite(t, sqltest.SQLite(t, 4), nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svc, err := webhook.NewService(st, &webhook.ServiceOptions{Catalog: event.DefaultCatalog().WithShape(awkward), InsecurePlaintextSecrets: true})
			require.NoError(t, err)
			_, err = svc.Register(t.Context(), "m", webhook.Registration{URL: "https://example.com/hook", Events: []string{"*"}})
			require.NoError(t, err)
			p, err := svc.Publish(t.Context(), "m", event.New(event.DocumentCreated{DocumentID: "doc_1"}))
			require.NoError(t, err)
			requireShaped(t, svc, "m", p.EventID)
			c, err := st.Claim(t.Context(), store.ClaimRequest{Limit: 10, Lease: time.Minute, PerWebhook: 10})
			require.NoError(t, err)
			require.Len(t, c.Leases, 1)
			kept, err := st.Event(t.Context(), "m", p.EventID)
			require.NoError(t, err)
			require.Equal(t, kept.Body, c.Leases[0].Body)
		})
	}
}
