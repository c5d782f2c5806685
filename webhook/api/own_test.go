package api_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/operator"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// house is the API of a host that has shops, and two types of event.
type house struct {
	t   *testing.T
	svc *webhook.Service
	ops *operator.Operator
	api *api.Handler
}

const shop = "s_1"

func newHouse(t *testing.T, w *words.Words, wire signer.Wire, o api.Options) *house {
	t.Helper()
	catalog, err := event.NewCatalog(
		event.Entry{Type: "order.paid", Description: "An order was paid", Example: json.RawMessage(
			`{"id":"evt_1","type":"order.paid","created":"2025-11-04T12:00:00Z","data":{"order":"o_1"}}`)},
		event.Entry{Type: "order.shipped", Description: "An order was shipped"},
	)
	require.NoError(t, err)
	st := memstore.New(&memstore.Options{Now: noon})
	h := &house{t: t}
	h.svc, err = webhook.NewService(st, &webhook.ServiceOptions{Catalog: catalog, Wire: wire, Now: noon, Limits: webhook.Limits{Webhooks: 120}})
	require.NoError(t, err)
	h.ops, err = operator.New(st, h.svc, nil)
	require.NoError(t, err)
	o.Words, o.EnablePublish, o.Operator, o.Now = w, true, h.ops, noon
	h.api, err = api.New(h.svc, func(r *http.Request) (webhook.Principal, error) {
		switch token := r.Header.Get("Authorization"); token {
		case "":
			return webhook.Principal{}, errors.New("no token")
		case "reader":
			return webhook.Principal{MerchantID: shop, Scopes: []string{webhook.ScopeRead}}, nil
		default:
			return webhook.Principal{MerchantID: token, AnyMerchant: token == "operator"}, nil
		}
	}, &o)
	require.NoError(t, err)
	return h
}

// ask sends a request with a token and returns the answer.
func (h *house) ask(method, path, body, token string) (int, string) {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", token)
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// path fills in the ids of a new webhook, and of what it has.
func (h *house) path(route api.Route) string {
	h.t.Helper()
	ctx := h.t.Context()
	scheme := webhook.SchemeSecret
	if strings.HasSuffix(route.Path, "/public-key") {
		scheme = webhook.SchemeAsymmetric
	}
	reg, err := h.svc.Register(ctx, shop, webhook.Registration{URL: "https://example.com/", Events: []string{"order.paid"}, Signature: scheme})
	require.NoError(h.t, err)
	p, err := h.svc.Publish(ctx, shop, event.NewRaw("order.paid", map[string]string{}))
	require.NoError(h.t, err)
	ids := []string{"{webhookId}", reg.Webhook.ID, "{eventId}", p.EventID, "operator/search", "operator/search?q=example.com"}
	for _, d := range p.Deliveries {
		if d.WebhookID == reg.Webhook.ID {
			ids = append(ids, "{deliveryId}", d.ID)
		}
	}
	if strings.Contains(route.Path, "{replayId}") {
		r, err := h.svc.Replay(ctx, shop, reg.Webhook.ID, webhook.Replay{})
		require.NoError(h.t, err)
		ids = append(ids, "{replayId}", r.ID)
	}
	if strings.Contains(route.Path, "{jobId}") {
		j, err := h.ops.Begin(ctx, operator.Request{Kind: operator.KindDisable, Selection: operator.Selection{All: true}})
		require.NoError(h.t, err)
		ids = append(ids, "{jobId}", j.ID)
	}
	path := route.Path
	if !strings.HasPrefix(path, "/operator/") {
		path = "/shops/" + shop + path
	}
	return strings.NewReplacer(ids...).Replace(path)
}

// every asks each route for what it does, and for what it refuses, and hands over all answers.
func (h *house) every(answer func(route api.Route, status int, body string)) {
	h.t.Helper()
	bodies := map[string]string{
		"POST /webhooks":            `{"url":"https://example.com/","events":["order.paid"]}`,
		"POST /webhooks/":           `{"url":"https://example.com/","events":["order.paid"]}`,
		"PUT /webhooks/{webhookId}": `{"description":"x"}`,
		"POST /events":              `{"type":"order.paid","data":{}}`,
		"POST /operator/jobs":       goodJob,
	}
	for _, route := range append(h.api.Routes(), h.api.OperatorRoutes()...) {
		if route.Method == http.MethodHead {
			continue
		}
		token := shop
		if strings.HasPrefix(route.Path, "/operator/") {
			token = "operator"
		}
		body := bodies[route.Method+" "+route.Path]
		status, out := h.ask(route.Method, h.path(route), body, token)
		require.Equal(h.t, 2, status/100, "%v: %s", route, out)
		answer(route, status, out)
		path := h.path(route)
		for _, bad := range []struct{ method, path, body, token string }{
			{route.Method, path, body, ""},
			{route.Method, path, body, "another"},
			{route.Method, path, "{", "reader"},
			{route.Method, path, "{", token},
			{route.Method, path, `{"x":1}`, token},
			{route.Method, path, `{"x":1}x`, token},
			{route.Method, path, strings.Repeat(" ", 1<<20), token},
			{"PATCH", path, body, token},
			{route.Method, path + "/x", body, token},
			{route.Method, strings.NewReplacer("/whk_", "/w", "/whdel_", "/d", "/rpl_", "/r", "/evt_", "/e", "/opj_", "/o").Replace(path), body, token},
			{route.Method, path + "&x=1&limit=0&cursor=x&since=x&until=2020&eventType=X&eventId=%20&status=x&q=&wait=x&offset=x", body, token},
			{route.Method, strings.Replace(path, "?", "&", 1) + "?x=%zz", body, token},
		} {
			if strings.Contains(bad.path, "&x=") && !strings.Contains(bad.path, "?") {
				bad.path = strings.Replace(bad.path, "&", "?", 1)
			}
			status, out := h.ask(bad.method, bad.path, bad.body, bad.token)
			answer(route, status, out)
		}
	}
	h.refused(answer)
}

// refused asks for what only one route refuses.
func (h *house) refused(answer func(route api.Route, status int, body string)) {
	h.t.Helper()
	one := h.path(api.Route{Method: "GET", Path: "/webhooks/{webhookId}"})
	for _, bad := range []struct{ method, path, body string }{
		{"POST", "/shops/s_1/webhooks", `{"url":"http://example.com","events":["order.lost","*"],"payloadEncoding":"x","signature":"x","rateLimit":-1,` +
			`"description":"\u0000","metadata":{"":""},"headers":{"Host":"x","a b":"","x":1}}`},
		{"POST", "/shops/s_1/webhooks", `{"url":"https://example.com/` + strings.Repeat("x", 3000) + `","events":[]}`},
		{"POST", "/shops/s_1/webhooks", `{"url":"https://localhost/","events":[1]}`},
		{"PUT", one, `{}`},
		{"PUT", one, `{"status":"x","events":"x"}`},
		{"POST", one + "/secret/rotate", `{"graceSeconds":604801}`},
		{"POST", one + "/replay", `{"status":"x","since":"2025-11-04T12:00:00Z","until":"2024-11-04T12:00:00Z"}`},
		{"POST", one + "/test?eventType=order.lost", ""},
		{"POST", one + "/test?eventType=order.shipped", ""},
		{"POST", one + "/test?set=true", ""},
		{"GET", one + "/public-key", ""},
		{"GET", "/shops/s_1/events/evt_x", ""},
		{"POST", "/shops/s_1/events", `{"type":"order.lost","id":" ","data":{"n":12345678901234567890}}`},
		{"POST", "/shops/s_1/events", `{"type":"order.paid","data":{"n":12345678901234567890}}`},
		{"POST", "/operator/jobs", `{"kind":"x","selection":{},"rate":-1,"since":"2025-11-04T12:00:00Z","note":"\u0000"}`},
	} {
		token := shop
		if strings.HasPrefix(bad.path, "/operator/") {
			token = "operator"
		}
		status, out := h.ask(bad.method, bad.path, bad.body, token)
		require.Equal(h.t, 4, status/100, "%v: %s", bad, out)
		answer(api.Route{Method: bad.method, Path: bad.path}, status, out)
	}
	for range 120 { // More than there may be.
		_, _ = h.ask("POST", "/shops/s_1/webhooks", `{"url":"https://example.com/","events":["order.paid"]}`, shop)
	}
	status, out := h.ask("POST", "/shops/s_1/webhooks", `{"url":"https://example.com/","events":["order.paid"]}`, shop)
	require.Equal(h.t, http.StatusConflict, status)
	answer(api.Route{Method: "POST", Path: "/webhooks"}, status, out)
}

// theirs is what the customers of another house must not meet, but for names of members.
var (
	theirs  = regexp.MustCompile(`(?i)\brag\b|merchant|x-webhook-|chat\.query|document\.(created|updated|deleted)|usage\.limit|api_key\.|your-domain`)
	members = regexp.MustCompile(`"merchantId"|"merchants"|\bmerchants:|\bmerchantId:|- merchantId\b|- merchants\b|` + "`merchants`" + `|\[[a-zA-Z, ]*merchant(s|Id)\b[a-zA-Z, ]*\]`)
)

func requireOwn(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(members.ReplaceAllString(text, "")) {
		require.NotRegexp(t, theirs, line)
	}
}

func acme() api.Options {
	return api.Options{
		Title: "Acme", Challenge: `ApiKey realm="acme"`, TestsPerMinute: 10, IdempotencyAge: 48 * time.Hour, TestWait: 20 * time.Second,
		Security: map[string]json.RawMessage{"key": json.RawMessage(`{"type":"apiKey","in":"header","name":"X-Api-Key"}`)},
		Retry:    retry.Days(), AttemptTimeout: 30 * time.Second,
	}
}

// TestTheHousesOwn greps everything that the API of another house answers.
func TestTheHousesOwn(t *testing.T) {
	t.Parallel()
	w, err := words.New(&words.Options{Tenant: "shop"})
	require.NoError(t, err)
	h := newHouse(t, w, signer.Wire{Prefix: "X-Acme-", UserAgent: "Acme-Webhooks/1.0"}, acme())
	h.every(func(_ api.Route, _ int, body string) { requireOwn(t, body) })
	status, _ := h.ask("GET", "/merchants/"+shop+"/webhooks", "", shop)
	require.Equal(t, http.StatusNotFound, status)
	for _, name := range []string{"/openapi.json", "/openapi.yaml"} {
		_, body := h.ask("GET", name, "", "")
		requireOwn(t, body)
	}
}

// document returns the house's document, which is valid.
func (h *house) document() *openapi3.T {
	h.t.Helper()
	_, body := h.ask("GET", "/openapi.json", "", "")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(body))
	require.NoError(h.t, err)
	require.NoError(h.t, doc.Validate(h.t.Context(), openapi3.EnableMultiError()))
	return doc
}

func TestTheHousesDocument(t *testing.T) {
	t.Parallel()
	w, err := words.New(&words.Options{Tenant: "account", Segment: "accs"})
	require.NoError(t, err)
	h := newHouse(t, w, signer.Wire{Prefix: "X-Acme-", UserAgent: "Acme-Webhooks/1.0", Untimed: signer.Untimed{NoPrefix: true, Base64: true, DecodedKey: true}, Svix: true}, acme())
	doc := h.document()
	require.Equal(t, "Acme", doc.Info.Title)
	require.Contains(t, doc.Info.Description, "Another account's path")
	require.Contains(t, doc.Info.Description, "For 48 hours,")
	require.Contains(t, doc.Info.Description, "the 11th test")
	require.Equal(t, "X-Api-Key", doc.Components.SecuritySchemes["key"].Value.Name)
	require.Len(t, doc.Components.SecuritySchemes, 1)
	require.Equal(t, openapi3.SecurityRequirements{{"key": {}}}, doc.Security)
	require.Equal(t, `ApiKey realm="acme"`, doc.Components.Headers["Challenge"].Value.Example)

	require.NotNil(t, doc.Paths.Value("/operator/accs"))
	post := doc.Paths.Value("/accs/{accountId}/webhooks").Post
	require.Contains(t, post.Description, "An account\nmay have 50")
	require.Equal(t, "account_42", doc.Components.Parameters["TenantID"].Value.Example)
	require.Equal(t, map[string]any{"url": "https://example.com/webhooks", "events": []any{"order.paid", "order.shipped"}},
		post.RequestBody.Value.Content["application/json"].Examples["guide"].Value.Value)
	publish := doc.Paths.Value("/accs/{accountId}/events").Post
	require.Equal(t, map[string]any{"type": "order.paid", "data": map[string]any{"order": "o_1"}}, publish.RequestBody.Value.Content["application/json"].Example)
	require.Contains(t, doc.Paths.Value("/accs/{accountId}/webhooks/{webhookId}/secret/rotate").Post.Description, "in `X-Acme-Signature` with 401")

	sent := doc.Webhooks["order.paid"].Post
	var names []string
	for _, p := range sent.Parameters {
		names = append(names, p.Value.Name)
	}
	require.ElementsMatch(t, []string{
		"X-Acme-Signature", "X-Acme-Event", "X-Acme-ID", "X-Acme-Delivery-ID", "User-Agent",
		"webhook-id", "webhook-timestamp", "webhook-signature", "svix-id", "svix-timestamp", "svix-signature",
	}, names)
	signature := doc.Components.Parameters["Signature"].Value
	require.Contains(t, signature.Description, "The base64 HMAC-SHA256 of the body as it was received. The key is what the secret\nholds")
	require.Equal(t, "^[A-Za-z0-9+/]{43}=$", signature.Schema.Value.Pattern)
	require.Equal(t, "Acme-Webhooks/1.0", doc.Components.Parameters["UserAgent"].Value.Example)
	require.Contains(t, *sent.Responses.Value("2XX").Value.Description, "within 30 seconds")
	require.Contains(t, *sent.Responses.Default().Value.Description,
		"again after 5 seconds, 5 minutes, 30 minutes, 2 hours, 5 hours, 10 hours, 10 hours, or as\n`Retry-After` asks with 429 and 503, and fails after its eighth attempt.")
	require.NotContains(t, doc.Components.Schemas, "ChatQueryCompleted")
	require.NotContains(t, doc.Components.Schemas, "Recommendation")
	require.Contains(t, doc.Components.Schemas, "WebhookTestEvent")
}

// What a noun of another script leaves is no name.
func TestParameterOfAForeignNoun(t *testing.T) {
	t.Parallel()
	w, err := words.New(&words.Options{Tenant: "Geschäft", Tenants: "Geschäfte", Segment: "shops"})
	require.NoError(t, err)
	require.NotNil(t, newHouse(t, w, signer.Wire{}, api.Options{}).document().Paths.Value("/shops/{tenantId}/webhooks"))
}

// TestExamplesHaveNoBrand leaves the catalog as it is: what else is the host's own is enough.
func TestExamplesHaveNoBrand(t *testing.T) {
	t.Parallel()
	shops, err := words.New(&words.Options{Tenant: "shop"})
	require.NoError(t, err)
	for _, tt := range []struct {
		name  string
		opts  api.Options
		wire  signer.Wire
		brand bool
	}{
		{"nothing", api.Options{}, signer.Wire{}, true},
		{"title", api.Options{Title: "Acme"}, signer.Wire{}, false},
		{"noun", api.Options{Words: shops}, signer.Wire{}, false},
		{"wire", api.Options{}, signer.Wire{OmitUntimed: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			svc, err := webhook.NewService(memstore.New(nil), &webhook.ServiceOptions{Wire: tt.wire})
			require.NoError(t, err)
			h, err := api.New(svc, func(*http.Request) (webhook.Principal, error) { return webhook.Principal{}, nil }, &tt.opts)
			require.NoError(t, err)
			_, body := (&house{t: t, api: h}).ask("GET", "/openapi.yaml", "", "")
			for _, url := range []string{"your-domain.com", "new-domain.com", "webhooks/rag-assistant"} {
				require.Equal(t, tt.brand, strings.Contains(body, url), url)
			}
			require.Contains(t, body, "events: [chat.query.completed, ", "types are those of the catalog")
		})
	}
}

func TestADocumentOfStandardWebhooksAlone(t *testing.T) {
	t.Parallel()
	for name, wire := range map[string]signer.Wire{"alone": {StandardOnly: true}, "without the untimed": {OmitUntimed: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil, wire, api.Options{Retry: retry.Policy{MaxAttempts: 1}})
			doc := h.document()
			sent := doc.Webhooks["order.shipped"].Post
			require.Len(t, sent.Parameters, 4+len(wire.Own()))
			require.NotContains(t, doc.Components.Parameters, "Signature")
			require.Contains(t, *sent.Responses.Default().Value.Description, "it is not tried again")
			_, body := h.ask("GET", "/openapi.yaml", "", "")
			require.NotContains(t, body, "X-Webhook-Signature")
			require.NotContains(t, body, "twice more")
			require.Contains(t, body, "Standard Webhooks libraries take it as it\n")
		})
	}
}

// TestAnswersInAnotherLanguage has one in which every text is in brackets.
func TestAnswersInAnotherLanguage(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	for _, text := range words.Texts() {
		texts[text] = "⟦" + text + "⟧"
	}
	w, err := words.New(&words.Options{Tenant: "shop", Texts: texts})
	require.NoError(t, err)
	h := newHouse(t, w, signer.Wire{}, api.Options{})
	_, body := h.ask("GET", h.path(api.Route{Path: "/events/{eventId}"}), "", shop)
	var detail struct {
		Data struct {
			Text     string
			Verdicts []struct{ Text string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &detail), body)
	requireWrapped(t, detail.Data.Text, api.Route{})
	require.NotEmpty(t, detail.Data.Verdicts)
	for _, v := range detail.Data.Verdicts {
		requireWrapped(t, v.Text, api.Route{})
	}
	seen := map[string]bool{}
	h.every(func(route api.Route, status int, body string) {
		if body == "" || status/100 == 2 {
			return
		}
		var v struct{ Error refusal }
		require.NoError(t, json.Unmarshal([]byte(body), &v), body)
		seen[v.Error.Code] = true
		requireWrapped(t, v.Error.Message, route)
		for _, d := range v.Error.Details {
			if d.Field != "replayId" { // It is the id.
				requireWrapped(t, d.Message, route)
			}
		}
	})
	require.Subset(t, slices.Collect(maps.Keys(seen)), []string{
		"invalid_request", "unauthorized", "forbidden", "insufficient_scope", "not_found", "no_such_path", "no_public_key", "method_not_allowed", "limit_reached", "payload_too_large",
	})
}

// requireWrapped requires that a text is in one pair of brackets from its begin to its end.
func requireWrapped(t *testing.T, text string, route api.Route) {
	t.Helper()
	depth, runes := 0, []rune(text)
	require.NotEmpty(t, runes, "%v", route)
	for i, r := range runes {
		switch r {
		case '⟦':
			depth++
		case '⟧':
			depth--
		}
		require.True(t, depth > 0 || i == len(runes)-1 && r == '⟧', "%v: %s", route, text)
	}
}
