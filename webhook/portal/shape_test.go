package portal_test

import (
	"html"
	"net/http"
	"strings"
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

// TestShapesNeedNoID shows programs that find the id of a body that has none, and says what
// an endpoint has to accept.
func TestShapesNeedNoID(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shape  event.Shape
		parsed bool // the programs read the body
		accept string
	}{
		"none":     {nil, true, "application/json."},
		"standard": {event.StandardShape, false, "application/json."},
		"cloud":    {event.CloudEvents("/acme"), false, "application/cloudevents+json."},
		"two types": {func(e event.Event) (event.Shaped, error) {
			contentType := "text/plain"
			if e.Type == event.TypeUsageLimitExceeded {
				contentType = "text/csv"
			}
			return event.Shaped{Body: []byte("x"), ContentType: contentType}, nil
		}, false, "text/plain and text/csv."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSiteOf(t, memstore.New(nil), nil, &webhook.ServiceOptions{Catalog: event.DefaultCatalog().WithShape(c.shape)}, nil)
			hook := s.hook()
			for lang, parse := range map[string]string{
				"node": "JSON.parse(", "python": "import json", "php": "json_decode($body", "ruby": "JSON.parse(", "go": "v.Middleware(",
			} {
				program := html.UnescapeString(s.do(hook+"/verify?lang="+lang, nil).is(http.StatusOK).body)
				require.Equal(t, c.parsed, strings.Contains(program, parse), lang)
				require.NotContains(t, program, "[[", lang)
			}
			require.Equal(t, "Let it accept Content-Type: "+c.accept, portal.ExplainFor(s.svc, webhook.CodeStatus, http.StatusUnsupportedMediaType).Remedy)
		})
	}
}
