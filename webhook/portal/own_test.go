package portal_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/operator"
	"github.com/rag-assistant/webhooks/webhook/portal"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// newShopSite is the site of a host that has shops, and events of its own.
func newShopSite(t *testing.T) *site {
	t.Helper()
	catalog, err := event.NewCatalog(
		event.Entry{Type: "order.paid", Description: "An order was paid", Example: []byte(`{"id":"evt_1","type":"order.paid","created":"2026-03-31T14:30:00Z","data":{}}`)},
		event.Entry{Type: "order.sent", Description: "An order is on its way"},
		event.Entry{Type: "order.lost", Description: "An order has gone astray"},
		event.Entry{Type: "stock.low", Description: "Few of something are left"},
	)
	require.NoError(t, err)
	w, err := words.New(&words.Options{Tenant: "shop", Tenants: "shops"})
	require.NoError(t, err)
	st := memstore.New(nil)
	s := newSiteOn(t, st, nil, nil)
	s.svc, err = webhook.NewService(st, &webhook.ServiceOptions{Catalog: catalog})
	require.NoError(t, err)
	ops, err := operator.New(st, s.svc, nil)
	require.NoError(t, err)
	pages, err := portal.New(s.svc, login, &portal.Options{Words: w, Title: "Acme", Operator: ops, AttemptTimeout: 30 * time.Second})
	require.NoError(t, err)
	s.mux = http.NewServeMux()
	s.mux.Handle(mount+"/", http.StripPrefix(mount, pages))
	return s
}

// A host's noun stands in paths and texts, and its catalog in the samples.
func TestShops(t *testing.T) {
	t.Parallel()
	s := newShopSite(t)
	p := s.do("/", nil, "As", "shop_1").is(http.StatusOK).says("such as order.paid, order.sent and order.lost. No polling.", "Shop shop_1")
	require.NotContains(t, p.text, "documents change")
	hook := s.register("shop_1", endpoint)
	s.do("/operator", nil, "As", "*").is(http.StatusOK).says("Operator all shops", "Shop Webhooks Failing")
	require.Equal(t, "/shops/shop_1/", s.do("/operator", nil, "As", "*").link("shop_1"))
	for _, path := range []string{"/", "/catalog", "/new", "/events", hook, hook + "/edit", hook + "/verify", hook + "/deliveries"} {
		p := s.do("/shops/shop_1"+path, nil, "As", "*").is(http.StatusOK).says("Operator acting for shop shop_1")
		for _, theirs := range []string{"erchant", "document.", "chat.", "usage.", "RAG"} {
			require.NotContains(t, p.text, theirs, path)
		}
		s.do("/merchants/shop_1"+path, nil, "As", "*").is(http.StatusNotFound)
	}
	s.do("/shops/shop_1"+hook+"/verify", nil, "As", "*").says("Answer within 30 seconds")
	s.do("/shops/shop_1/", nil, "As", "shop_2").is(http.StatusForbidden).says("You are logged in for another shop.")
}

// A segment has to leave the portal's own paths alone.
func TestSegmentsOfThePortal(t *testing.T) {
	t.Parallel()
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	for _, segment := range []string{"assets", "new", "catalog"} {
		w, err := words.New(&words.Options{Segment: segment})
		require.NoError(t, err)
		_, err = portal.New(svc, login, &portal.Options{Words: w})
		require.ErrorContains(t, err, "portal's own", segment)
	}
}

// Texts may put their arguments in another order, and hold nothing that becomes markup.
func TestTranslations(t *testing.T) {
	t.Parallel()
	w, err := words.New(&words.Options{Texts: map[string]string{
		"Webhooks": "<b>Haken</b>", "%s acting for {tenant} %s": "Für %[2]s handelt: %[1]s", "Developer Portal": "Portal für {tenants}", "en": "de",
	}})
	require.NoError(t, err)
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	pages, err := portal.New(svc, login, &portal.Options{Words: w})
	require.NoError(t, err)
	rec := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/merchants/merchant_42/", nil)
	r.Header.Set("As", "*")
	pages.ServeHTTP(rec, r)
	body := rec.Body.String()
	for _, text := range []string{
		`<html lang="de">`, "<h1>&lt;b&gt;Haken&lt;/b&gt;</h1>", "<title>&lt;b&gt;Haken&lt;/b&gt; · Portal für merchants</title>",
		`Für <span class="mono">merchant_42</span> handelt: <strong>Operator</strong>`,
	} {
		require.Contains(t, body, text)
	}
	require.False(t, strings.Contains(body, "%!"))
}
