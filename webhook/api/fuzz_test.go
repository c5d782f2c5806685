package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

// Whatever is posted, the answer is 201 or says in the envelope what is wrong.
func FuzzRequestDecoding(f *testing.F) {
	for _, seed := range []string{
		goodBody,
		`{"url":"https://example.com/","events":["*"],"payloadEncoding":"html"}`,
		`{"url":"https://user:pw@127.1/","events":[null,1,"webhook.test"],"x":{"y":[]}}`,
		`{"url":null,"events":{}}`,
		"{\"url\":\"\xff\"}",
		`{"\u0075rl":"\ud800"}`,
		`[[[[[[[[[[[[[[[[[[`,
		`{"events":["a","a"],"events":[]}`,
		`{"url":"https://example.com/","events":["*"],"description":"a","metadata":{"a":"b"},"headers":{"X-A":"b c"},"rateLimit":5}`,
		`{"url":"https://example.com/","events":["*"],"metadata":{"":null},"headers":{"Host":"a","X-\u000d":[]},"rateLimit":1e3}`,
		"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		svc, err := webhook.NewService(memstore.New(nil), nil)
		require.NoError(t, err)
		h, err := api.New(svc, bearer, nil)
		require.NoError(t, err)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hooks, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+harness.Merchant)
		r.Header.Set("Content-Type", "application/json")
		a := serve(t, h, r) // requires the envelope
		list, err := svc.Webhooks(t.Context(), harness.Merchant, webhook.WebhookQuery{})
		require.NoError(t, err)
		switch a.status {
		case http.StatusCreated:
			require.Equal(t, 1, list.Total)
		case http.StatusRequestEntityTooLarge:
			require.Greater(t, len(body), 64<<10)
		default:
			require.NotEmpty(t, a.faults())
			require.Zero(t, list.Total)
		}
	})
}
