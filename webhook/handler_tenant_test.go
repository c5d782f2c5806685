package webhook_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

// operation is a route with a body that it accepts. WEBHOOK and DELIVERY stand
// for ids.
type operation struct{ method, path, body string }

func operations() []operation {
	return []operation{
		{"POST", "/webhooks", goodBody},
		{"GET", "/webhooks", ""},
		{"GET", "/webhooks/event-types", ""},
		{"GET", "/webhooks/WEBHOOK", ""},
		{"HEAD", "/webhooks/WEBHOOK", ""},
		{"PUT", "/webhooks/WEBHOOK", `{"url":"https://thief.example.com/"}`},
		{"POST", "/webhooks/WEBHOOK/test", ""},
		{"POST", "/webhooks/WEBHOOK/test?wait=true", "{}"},
		{"POST", "/webhooks/WEBHOOK/replay", ""},
		{"POST", "/webhooks/WEBHOOK/secret/rotate", ""},
		{"GET", "/webhooks/WEBHOOK/deliveries", ""},
		{"GET", "/webhooks/WEBHOOK/deliveries/DELIVERY", ""},
		{"POST", "/webhooks/WEBHOOK/deliveries/DELIVERY/redeliver", ""},
		{"DELETE", "/webhooks/WEBHOOK", ""},
		{"POST", "/events", `{"type":"document.created","data":{}}`},
	}
}

func (o operation) at(merchantID, webhookID, deliveryID string) string {
	path := strings.Replace(o.path, "WEBHOOK", webhookID, 1)
	return "/api/merchants/" + merchantID + strings.Replace(path, "DELIVERY", deliveryID, 1)
}

func (o operation) names(what string) bool { return strings.Contains(o.path, what) }

// belongings is all that a merchant can see of its own.
func (s *site) belongings(merchantID string) []any {
	s.t.Helper()
	list, err := s.svc.Webhooks(s.t.Context(), merchantID, webhook.Query{})
	require.NoError(s.t, err)
	out := []any{list}
	for _, w := range list.Webhooks {
		kept, err := s.store.Webhook(s.t.Context(), merchantID, w.ID)
		require.NoError(s.t, err)
		log, err := s.svc.Deliveries(s.t.Context(), merchantID, w.ID, webhook.DeliveryQuery{Limit: 1000})
		require.NoError(s.t, err)
		stats, err := s.svc.Stats(s.t.Context(), merchantID, w.ID)
		require.NoError(s.t, err)
		out = append(out, kept, log, stats)
	}
	events, err := s.store.Events(s.t.Context(), merchantID, store.EventQuery{Limit: 1000})
	require.NoError(s.t, err)
	return append(out, events)
}

// unread fails the test if anybody reads it.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("not to be read")
}
func (unread) Close() error { return nil }

func TestAnotherMerchantIsForbidden(t *testing.T) {
	t.Parallel()
	const victim = "merchant_43"
	s := newSite(t, nil, nil)
	id := s.hook(victim)
	p := s.published(victim)
	before := s.belongings(victim)
	seen := map[string]bool{}
	for _, o := range operations() {
		for _, path := range []string{
			o.at(victim, id, p.Deliveries[0]), o.at(victim, "whk_unknown", "whdel_unknown"),
			o.at("nobody", id, p.Deliveries[0]), o.at("%00", "%7Bx%7D", "*"), o.at(strings.Repeat("m", 300), id, "x"),
			o.at(strings.ToUpper(merchant), id, "x"), o.at(merchant+"%20", id, "x"), o.at("%2e%2e", id, "x"), o.at("*", id, "x"),
		} {
			r := httptest.NewRequestWithContext(t.Context(), o.method, path, unread{t})
			r.Header.Set("Authorization", "Bearer "+merchant)
			r.Header.Set("X-Request-ID", requestID)
			r.Header.Set("Content-Type", "application/json")
			// Without a mux, which would redirect "..".
			a := serve(t, s.mux, r).is(http.StatusForbidden)
			if o.method != http.MethodHead {
				require.Equal(t, "forbidden", a.refusal().Code)
				seen[a.body] = true
			}
		}
	}
	require.Len(t, seen, 1, "all answers are the same bytes")
	require.Equal(t, before, s.belongings(victim))
}

func TestForeignIDsAreLikeUnknownOnes(t *testing.T) {
	t.Parallel()
	const victim = "merchant_43"
	s := newSite(t, nil, nil)
	theirs, mine, also := s.hook(victim), s.hook(merchant), s.hook(merchant)
	their, my := s.published(victim), s.published(merchant)
	ofAlso := my.Deliveries[0]
	if _, err := s.svc.Delivery(t.Context(), merchant, also, ofAlso); err != nil {
		ofAlso = my.Deliveries[1]
	}
	before, own := s.belongings(victim), s.belongings(merchant)
	seen := map[string]bool{}
	for _, o := range operations() {
		var paths []string
		if o.names("WEBHOOK") {
			paths = append(paths,
				o.at(merchant, theirs, their.Deliveries[0]), o.at(merchant, "whk_unknown", their.Deliveries[0]),
				o.at(merchant, "whk_"+strings.Repeat("0", 32), "whdel_unknown"), o.at(merchant, strings.Repeat("a", 300), "x"),
				o.at(merchant, "%00", "x"), o.at(merchant, "%7Bx%7D", "x"), o.at(merchant, "*", "*"), o.at(merchant, "whk_%C3%A9", "x"),
				o.at(merchant, theirs, my.Deliveries[0]))
		}
		if o.names("DELIVERY") {
			paths = append(paths, o.at(merchant, mine, their.Deliveries[0]), o.at(merchant, mine, ofAlso),
				o.at(merchant, mine, "whdel_unknown"), o.at(merchant, mine, "%00"))
		}
		for _, path := range paths {
			a := s.do(o.method, path, o.body).is(http.StatusNotFound)
			if o.method != http.MethodHead {
				require.Equal(t, "not_found", a.refusal().Code)
				seen[a.body] = true
			}
			a = s.do(o.method, path, o.body, "If-Match", `"7"`).is(http.StatusNotFound)
			require.Empty(t, a.header.Get("ETag"))
		}
	}
	require.Len(t, seen, 1, "all answers are the same bytes")
	require.Equal(t, before, s.belongings(victim))
	require.Equal(t, own, s.belongings(merchant))
}

func TestEventsReachOnlyTheirMerchant(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	theirs := register(t, s.svc, "merchant_43", "*").Webhook.ID
	register(t, s.svc, merchant, "*")
	for range 100 {
		v := s.do(http.MethodPost, "/api/merchants/"+merchant+"/events", `{"type":"document.created","data":{}}`).
			is(http.StatusAccepted).object()
		require.InDelta(t, 1, v["deliveries"], 0)
	}
	stats, err := s.svc.Stats(t.Context(), "merchant_43", theirs)
	require.NoError(t, err)
	require.Zero(t, stats)
}

func TestUnauthenticated(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	seen := map[string]bool{}
	for _, o := range operations() {
		r := httptest.NewRequestWithContext(t.Context(), o.method, o.at(merchant, "whk_1", "whdel_1"), unread{t})
		r.Header.Set("X-Request-ID", requestID)
		a := s.serve(r).is(http.StatusUnauthorized)
		require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
		if o.method != http.MethodHead {
			require.Equal(t, "unauthorized", a.refusal().Code)
			seen[a.body] = true
		}
	}
	require.Len(t, seen, 1)
	require.Contains(t, s.log.String(), "no token", "the log says why")
	for body := range seen {
		require.NotContains(t, body, "no token", "the answer does not")
	}
	require.Len(t, s.do(http.MethodGet, hooks+"?token="+merchant, "", "Authorization", "").is(401).refusal().Details, 0)
}

// A secret shows where it is made, and nowhere else.
func TestSecretsShowOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	var made, rotated struct{ WebhookID, Secret string }
	s.do(http.MethodPost, hooks, goodBody).is(http.StatusCreated).data(&made)
	s.do(http.MethodPost, hooks+"/"+made.WebhookID+"/secret/rotate", "").is(http.StatusOK).data(&rotated)
	require.NotEmpty(t, made.Secret)
	require.NotEmpty(t, rotated.Secret)
	p := s.published(merchant)
	var out strings.Builder
	for _, o := range operations() {
		for _, body := range []string{o.body, "{", `{"secret":"x"}`} {
			if o.names("rotate") && body == o.body {
				continue
			}
			if o.method == http.MethodDelete {
				continue
			}
			a := s.do(o.method, o.at(merchant, made.WebhookID, p.Deliveries[0])+"#", body)
			_, _ = io.WriteString(&out, a.body)
			require.NoError(t, a.header.Write(&out))
		}
	}
	out.WriteString(s.log.String())
	for _, secret := range []string{made.Secret, rotated.Secret} {
		for i := range len(secret) - 16 {
			require.NotContains(t, out.String(), secret[i:i+16])
		}
	}
}
