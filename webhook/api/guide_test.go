package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

// guide returns a sample of the integration guide without spaces.
func guide(t *testing.T, name string) string {
	t.Helper()
	sample, err := os.ReadFile("testdata/guide/" + name)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, json.Compact(&out, sample))
	return out.String()
}

func TestRegisterAnswersAsTheGuide(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	a := s.do(http.MethodPost, hooks, `{
		"url": "https://your-domain.com/webhooks/rag-assistant",
		"events": ["chat.query.completed", "document.created"]
	}`).is(http.StatusCreated)
	require.Equal(t, `"1"`, a.header.Get("ETag"))
	got := regexp.MustCompile(`whk_[0-9a-f]{32}`).ReplaceAllString(a.body, "whk_abc123def456")
	got = regexp.MustCompile(`whsec_[A-Za-z0-9+/]{36}`).ReplaceAllString(got, "whsec_xyz789abc123def456ghi789jkl012mno345")
	require.Equal(t, guide(t, "created.json")+"\n", got)
}

// sampled answers with the deliveries of the guide's sample.
type sampled struct {
	webhook.ServiceStore
}

func (sampled) Deliveries(_ context.Context, m, _ string, q store.DeliveryQuery) (store.DeliveryPage, error) {
	if q.Cursor != "" {
		return store.DeliveryPage{}, nil
	}
	at := func(minute, second int) time.Time {
		return noon().Add(time.Duration(minute)*time.Minute + time.Duration(second)*time.Second + 123*time.Millisecond)
	}
	return store.DeliveryPage{Next: "more", Deliveries: []store.Delivery{
		{
			ID: "whdel_xyz789", MerchantID: m, WebhookID: "whk_abc123", EventID: "evt_1", EventType: "chat.query.completed",
			Status: store.DeliverySucceeded, Attempts: 1, StatusCode: 200, ResponseBody: "OK",
			CreatedAt: at(0, 0), LastAttemptAt: at(0, 1), DeliveredAt: at(0, 1), FinishedAt: at(0, 1),
		},
		{
			ID: "whdel_abc456", MerchantID: m, WebhookID: "whk_abc123", EventID: "evt_2", EventType: "document.created",
			Status: store.DeliveryFailed, Attempts: 3, StatusCode: 500, Code: string(webhook.CodeStatus),
			ResponseBody: "Internal Server Error",
			CreatedAt:    at(-5, 0), LastAttemptAt: at(10, 0), FinishedAt: at(10, 0),
		},
	}}, nil
}

func (sampled) Stats(context.Context, string, string) (store.Stats, error) {
	return store.Stats{Total: 150, Succeeded: 148, Failed: 2, Attempts: 153}, nil
}

func TestDeliveriesAnswerAsTheGuide(t *testing.T) {
	t.Parallel()
	s := newSite(t, sampled{memstore.New(nil)}, nil)
	a := s.do(http.MethodGet, hooks+"/whk_abc123/deliveries", "").is(http.StatusOK)
	sample := strings.TrimSuffix(guide(t, "deliveries.json"), "}")
	require.Equal(t, sample+`,"timestamp":"2025-11-04T12:00:00Z","requestId":"req_abc123"}`+"\n", withoutEventIDs(a.body))
}

// withoutEventIDs takes out of a log what the guide's sample does not have yet.
func withoutEventIDs(log string) string {
	return regexp.MustCompile(`,?"eventId":"\w+"`).ReplaceAllString(log, "")
}

func TestWebhookAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	var made struct{ WebhookID, Secret string }
	s.do(http.MethodPost, hooks+"/", `{"url":"https://example.com/a?b=1&c=2","events":["*"],"payloadEncoding":"ascii"}`).
		is(http.StatusCreated).data(&made)
	one := hooks + "/" + made.WebhookID

	a := s.do(http.MethodGet, one, "").is(http.StatusOK)
	require.Equal(t, `"1"`, a.header.Get("ETag"))
	require.Contains(t, a.body, `"https://example.com/a?b=1&c=2"`, "HTML is not escaped")
	v := a.object()
	require.Equal(t, made.WebhookID, v["webhookId"])
	require.Equal(t, []any{"*"}, v["events"])
	require.Equal(t, "active", v["status"])
	require.Equal(t, "ascii", v["payloadEncoding"])
	require.ElementsMatch(t, keysOf(v), []string{
		"webhookId", "url", "events", "status", "health", "payloadEncoding", "createdAt", "updatedAt",
	})

	a = s.do(http.MethodPut, one, `{"status":"disabled","payloadEncoding":"standard"}`).is(http.StatusOK)
	require.Equal(t, `"2"`, a.header.Get("ETag"))
	v = a.object()
	require.Equal(t, "disabled", v["status"])
	require.Equal(t, "requested", v["disabledReason"])
	require.Contains(t, v, "disabledAt")
	require.NotContains(t, v, "payloadEncoding")

	other := s.hook(harness.Merchant)
	for query, want := range map[string]int{"": 2, "?activeOnly=true": 1, "?activeOnly=false": 2, "?limit=1": 1, "?offset=1": 1, "?offset=2": 0} {
		var list struct {
			Webhooks   []struct{ WebhookID string }
			Pagination struct{ Limit, Offset, Total int }
		}
		s.do(http.MethodGet, hooks+query, "").is(http.StatusOK).data(&list)
		require.Len(t, list.Webhooks, want, query)
		if query == "?activeOnly=true" {
			require.Equal(t, other, list.Webhooks[0].WebhookID)
			require.Equal(t, 1, list.Pagination.Total)
		}
	}

	a = s.do(http.MethodPost, one+"/secret/rotate", "").is(http.StatusOK)
	v = a.object()
	require.ElementsMatch(t, keysOf(v), []string{"webhookId", "url", "events", "secret", "warning", "previousSecretUntil"})
	require.NotEqual(t, made.Secret, v["secret"])
	require.Contains(t, s.do(http.MethodGet, one, "").object(), "previousSecretUntil")
	v = s.do(http.MethodPost, one+"/secret/rotate", `{"graceSeconds":0}`).is(http.StatusOK).object()
	require.NotContains(t, v, "previousSecretUntil")

	v = s.do(http.MethodDelete, one, "").is(http.StatusOK).object()
	require.Equal(t, map[string]any{"webhookId": made.WebhookID, "deleted": true}, v)
	s.do(http.MethodGet, one, "").is(http.StatusNotFound)
	s.do(http.MethodDelete, one, "").is(http.StatusNotFound)
}

func keysOf(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

func TestEventTypesAnswer(t *testing.T) {
	t.Parallel()
	var v struct {
		EventTypes []struct {
			Type, Description, Frequency string
			Example                      struct{ Type string }
		}
	}
	newSite(t, nil, nil).do(http.MethodGet, hooks+"/event-types", "").is(http.StatusOK).data(&v)
	require.Len(t, v.EventTypes, 9)
	for _, e := range v.EventTypes {
		require.NotEmpty(t, e.Description)
		require.NotEmpty(t, e.Frequency)
		require.Equal(t, e.Type, e.Example.Type)
	}
}

func TestPublishAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	s.hook(harness.Merchant)
	const events = "/api/merchants/" + harness.Merchant + "/events"
	v := s.do(http.MethodPost, events, `{"type":"document.created","data":{"documentId":"doc_1"}}`).is(http.StatusAccepted).object()
	require.Len(t, v, 2)
	require.Regexp(t, `^evt_[0-9a-f]{32}$`, v["eventId"])
	require.InDelta(t, 1, v["deliveries"], 0)

	const body = `{"type":"document.deleted","data":{"documentId":"doc_1"},"id":"order-77"}`
	v = s.do(http.MethodPost, events, body).is(http.StatusAccepted).object()
	require.Equal(t, map[string]any{"eventId": "order-77", "deliveries": 0.0}, v)
	v = s.do(http.MethodPost, events, body).is(http.StatusAccepted).object()
	require.Equal(t, map[string]any{"eventId": "order-77", "deliveries": 0.0, "duplicate": true}, v)
	other := strings.Replace(body, "doc_1", "doc_2", 1)
	require.Equal(t, "conflict", s.do(http.MethodPost, events, other).is(http.StatusConflict).refusal().Code)

	large := `{"type":"document.created","data":{"text":"` + strings.Repeat("x", 200<<10) + `"}}`
	s.do(http.MethodPost, events, large).is(http.StatusAccepted)
	s.do(http.MethodPost, events, strings.Replace(large, "xx", strings.Repeat("x", 100<<10), 1)).
		is(http.StatusRequestEntityTooLarge)
	for body, want := range map[string][]string{
		`{}`:                              {"type", "data"},
		`{"type":1,"data":[]}`:            {"type", "data"},
		`{"type":"nope","data":{}}`:       {"type"},
		`{"type":"nope","data":{},"x":1}`: {"x", "type"},
		`{"type":"document.created","data":{},"id":""}`:                  {"id"},
		`{"type":"document.created","data":{},"id":"a b"}`:               {"id"},
		`{"type":"document.created","data":{"n":123456789012345678901}}`: {"data"},
		`{"type":"document.created","data":{},"created":"2025-11-04"}`:   {"created"},
	} {
		require.Equal(t, want, s.do(http.MethodPost, events, body).faults(), body)
	}

	off := newSite(t, nil, &api.Options{})
	a := off.do(http.MethodPost, events, `{"type":"document.created","data":{}}`).is(http.StatusMethodNotAllowed)
	require.Equal(t, "GET, HEAD, OPTIONS", a.header.Get("Allow"))
}
