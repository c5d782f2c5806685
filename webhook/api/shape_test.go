package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func form(e event.Event) (event.Shaped, error) {
	return event.Shaped{Body: []byte("topic=" + string(e.Type)), ContentType: "text/plain", Header: map[string]string{"X-Topic": string(e.Type)}}, nil
}

// shapedSite is a site whose catalog has a shape.
func shapedSite(t *testing.T, shape event.Shape) *site {
	t.Helper()
	s := newSite(t, memstore.New(nil), nil)
	var err error
	s.svc, err = webhook.NewService(s.store, &webhook.ServiceOptions{
		Now: noon, SecretKeys: []webhook.SecretKey{harness.KeyOne()}, Catalog: event.DefaultCatalog().WithShape(shape),
	})
	require.NoError(t, err)
	s.api, err = api.New(s.svc, bearer, &api.Options{Now: noon})
	require.NoError(t, err)
	s.mux = http.NewServeMux()
	s.mux.Handle("/api/", s.api)
	return s
}

// TestShapesInAnswers shows what was sent, and says more than the payload only where that does
// not say it byte for byte.
func TestShapesInAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		shape   event.Shape
		payload string
		sent    map[string]any // nil: left out
	}{
		{"by default", nil, `{"created":"2025-11-04T12:00:00Z","data":{"a":1},"id":"evt_1","type":"document.created"}`, nil},
		{"Standard Webhooks", event.StandardShape, `{"data":{"a":1},"timestamp":"2025-11-04T12:00:00Z","type":"document.created"}`, nil},
		{"spaces", func(event.Event) (event.Shaped, error) { return event.Shaped{Body: []byte("{ }")}, nil }, `{}`, map[string]any{
			"contentType": "application/json", "body": "{ }",
		}},
		{"CloudEvents in binary mode", event.CloudEventsBinary("/acme"), `{"a":1}`, map[string]any{
			"contentType": "application/json", "body": `{"a":1}`, "headers": map[string]any{
				"ce-id": "evt_1", "ce-source": "/acme", "ce-specversion": "1.0", "ce-time": "2025-11-04T12:00:00Z", "ce-type": "document.created",
			},
		}},
		{"no JSON", form, `null`, map[string]any{
			"contentType": "text/plain", "body": "topic=document.created", "headers": map[string]any{"X-Topic": "document.created"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := shapedSite(t, tt.shape)
			w := harness.Register(t, s.svc, harness.Merchant, "document.created").Webhook
			e := event.NewRaw("document.created", json.RawMessage(`{"a":1}`))
			e.ID = "evt_1"
			p, err := s.svc.Publish(t.Context(), harness.Merchant, e)
			require.NoError(t, err)
			for _, path := range []string{"/api/merchants/" + harness.Merchant + "/events/evt_1", hooks + "/" + w.ID + "/deliveries/" + p.Deliveries[0].ID} {
				var got struct {
					Payload json.RawMessage `json:"payload"`
					Sent    map[string]any  `json:"sent"`
				}
				s.do(http.MethodGet, path, "").is(http.StatusOK).data(&got)
				require.JSONEq(t, tt.payload, string(got.Payload))
				require.Equal(t, tt.sent, got.Sent)
			}
		})
	}
}

// TestShapesInExamples has no word of the envelope that nobody gets.
func TestShapesInExamples(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, contentType string
		shape             event.Shape
		example           string
	}{
		{"CloudEvents", "application/cloudevents+json", event.CloudEvents("/acme"), `"specversion":"1.0"`},
		{"no JSON", "text/plain", form, `"topic=webhook.test"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := shapedSite(t, tt.shape)
			var types struct {
				EventTypes []struct {
					Example json.RawMessage `json:"example"`
					Sent    struct{ ContentType, Body string }
				} `json:"eventTypes"`
			}
			s.do(http.MethodGet, hooks+"/event-types", "").is(http.StatusOK).data(&types)
			require.Len(t, types.EventTypes, 9)
			for _, e := range types.EventTypes {
				require.Nil(t, e.Example)
			}
			if tt.name == "no JSON" {
				require.Equal(t, "text/plain", types.EventTypes[0].Sent.ContentType)
				require.Equal(t, "topic=chat.query.completed", types.EventTypes[0].Sent.Body)
			}

			out := httptest.NewRecorder()
			s.mux.ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/openapi.json", nil))
			var doc struct {
				Webhooks map[string]map[string]struct {
					RequestBody struct {
						Content map[string]struct{ Example json.RawMessage }
					}
				}
			}
			require.NoError(t, json.Unmarshal(out.Body.Bytes(), &doc))
			require.Len(t, doc.Webhooks, 9)
			for name, w := range doc.Webhooks {
				content := w["post"].RequestBody.Content
				require.Len(t, content, 1, name)
				require.NotEmpty(t, content[tt.contentType].Example, name)
				require.NotContains(t, string(content[tt.contentType].Example), `"created"`, name)
			}
			require.Contains(t, short(t, doc.Webhooks["webhook.test"]["post"].RequestBody.Content[tt.contentType].Example), tt.example)
		})
	}
}

func short(t *testing.T, text json.RawMessage) string {
	t.Helper()
	out, err := json.Marshal(text)
	require.NoError(t, err)
	return string(out)
}
