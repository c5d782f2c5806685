package portal_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// TestShapesAreShown shows what was sent, which is no JSON and would be a file to curl.
func TestShapesAreShown(t *testing.T) {
	t.Parallel()
	s := newSiteOn(t, memstore.New(nil), nil, nil)
	var err error
	s.svc, err = webhook.NewService(s.store, &webhook.ServiceOptions{Catalog: event.DefaultCatalog().WithShape(
		func(e event.Event) (event.Shaped, error) {
			return event.Shaped{Body: []byte("@topic=" + string(e.Type)), ContentType: "text/plain"}, nil
		})})
	require.NoError(t, err)
	pages, err := portal.New(s.svc, login, nil)
	require.NoError(t, err)
	s.mux = http.NewServeMux()
	s.mux.Handle(mount+"/", http.StripPrefix(mount, pages))

	w := harness.Register(t, s.svc, harness.Merchant, "document.created").Webhook
	e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
	e.ID = "evt_1"
	p, err := s.svc.Publish(t.Context(), harness.Merchant, e)
	require.NoError(t, err)
	for _, path := range []string{"/events/evt_1", "/webhooks/" + w.ID + "/deliveries/" + p.Deliveries[0].ID, "/catalog"} {
		got := s.do(path, nil).is(http.StatusOK)
		got.says("@topic=document.created")
		require.NotContains(t, got.body, "What is sent has no spaces")
		require.NotContains(t, got.body, "documentId")
	}
	require.Contains(t, portal.Curl(&webhook.Exchange{}, []byte("@a")), `--data-raw '@a'`)
	require.Contains(t, portal.Curl(&webhook.Exchange{}, []byte("a\x00")), "@body.json")
}
