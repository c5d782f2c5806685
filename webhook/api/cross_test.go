package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// portal is a host whose users log in by cookie. It counts how often it was
// asked who somebody is.
type portal struct {
	t        *testing.T
	handler  *api.Handler
	one      string // path of a webhook
	delivery string
	asked    int
}

func newPortal(t *testing.T, o *api.Options) *portal {
	t.Helper()
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	id := harness.Register(t, svc, harness.Merchant, "*").Webhook.ID
	sent, err := svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentDeleted{DocumentID: "d"}))
	require.NoError(t, err)
	p := &portal{t: t, one: "https://portal.example.com/merchants/" + harness.Merchant + "/webhooks/" + id, delivery: sent.Deliveries[0].ID}
	p.handler, err = api.New(svc, func(r *http.Request) (webhook.Principal, error) {
		p.asked++
		if _, err := r.Cookie("session"); err != nil && r.Header.Get("Authorization") == "" {
			return webhook.Principal{}, errors.New("nobody")
		}
		return webhook.Principal{MerchantID: harness.Merchant}, nil
	}, o)
	require.NoError(t, err)
	return p
}

// send posts what a form of another site can post.
func (p *portal) send(method, path string, header ...string) answered {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), method, p.one+path, nil)
	r.Header.Set("Cookie", "session=1")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return serve(p.t, p.handler, r)
}

func TestCrossSiteRequestsAreForbidden(t *testing.T) {
	t.Parallel()
	p := newPortal(t, nil)
	changes := []string{"/secret/rotate", "/test", "/replay?dryRun=true", "/deliveries/" + p.delivery + "/redeliver", "/cancel", "/deliveries/" + p.delivery + "/cancel"}
	for _, from := range [][]string{
		{"Sec-Fetch-Site", "cross-site", "Authorization", "Basic dXNlcjpwYXNz"},
		{"Origin", "https://evil.example", "Authorization", "Negotiate YII="},
		{"Sec-Fetch-Site", "same-site", "Authorization", "Bearer of-a-proxy"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site", "Origin", "https://other.example.com"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
	} {
		for _, path := range changes {
			a := p.send(http.MethodPost, path, from...).is(http.StatusForbidden)
			require.NotContains(t, a.body, "whsec_")
		}
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			p.send(method, "", from...).is(http.StatusForbidden)
		}
	}
	require.Zero(t, p.asked, "before anybody asks who it is")

	for name, from := range map[string][]string{
		"from an address bar":           {"Sec-Fetch-Site", "none"},
		"from the same origin":          {"Sec-Fetch-Site", "same-origin", "Origin", "https://portal.example.com"},
		"by an older browser from here": {"Origin", "https://portal.example.com"},
		"by no browser":                 nil,
		"by no browser, with a token":   {"Authorization", "Bearer x"},
	} {
		for _, path := range changes[1:] {
			a := p.send(http.MethodPost, path, from...)
			require.Equal(t, 2, a.status/100, "%s: %s: %s", name, path, a.body)
		}
		a := p.send(http.MethodPost, changes[0], from...)
		require.NotEqual(t, http.StatusForbidden, a.status, name)
	}
	p.send(http.MethodGet, "", "Sec-Fetch-Site", "cross-site").is(http.StatusOK)
}

func TestTrustedOrigins(t *testing.T) {
	t.Parallel()
	trust := http.NewCrossOriginProtection()
	require.NoError(t, trust.AddTrustedOrigin("https://admin.example.com"))
	p := newPortal(t, &api.Options{CrossOrigin: trust})
	p.send(http.MethodPost, "/secret/rotate", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example").
		is(http.StatusForbidden)
	require.Zero(t, p.asked)
	p.send(http.MethodPost, "/secret/rotate", "Sec-Fetch-Site", "same-site", "Origin", "https://admin.example.com", "Authorization", "Bearer x").
		is(http.StatusOK)
}

// meddled changes a webhook right after each look at it.
type meddled struct {
	*memstore.Store

	url string
}

func (m meddled) Webhook(ctx context.Context, merchantID, webhookID string) (store.Webhook, error) {
	w, err := m.Store.Webhook(ctx, merchantID, webhookID)
	if err == nil {
		_, err = m.UpdateWebhook(ctx, merchantID, webhookID, store.WebhookUpdate{URL: &m.url})
	}
	return w, err
}

func TestIfMatchHoldsUntilTheChange(t *testing.T) {
	t.Parallel()
	const theirs = "https://example.com/theirs"
	st := memstore.New(nil)
	s := newSite(t, meddled{st, theirs}, nil)
	id := s.hook(harness.Merchant)
	one := hooks + "/" + id
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		body := ""
		if method == http.MethodPut {
			body = `{"url":"https://example.com/mine"}`
		}
		w, err := st.Webhook(t.Context(), harness.Merchant, id)
		require.NoError(t, err)
		// The tag fits when the handler looks, and no more when the store is asked.
		s.do(method, one, body, "If-Match", strconv.Quote(strconv.FormatInt(w.Version, 10))).
			is(http.StatusPreconditionFailed)
		w, err = st.Webhook(t.Context(), harness.Merchant, id)
		require.NoError(t, err)
		require.Equal(t, theirs, w.URL, "somebody else's change stays")
	}
}
