package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// describe returns a handler and its document, which it requires to be the same
// and valid in both forms.
func describe(t *testing.T, c *event.Catalog, o *api.Options) (http.Handler, *openapi3.T) {
	t.Helper()
	svc, err := webhook.NewService(memstore.New(nil), &webhook.ServiceOptions{Catalog: c})
	require.NoError(t, err)
	h, err := api.New(svc, bearer, o)
	require.NoError(t, err)
	asJSON := serveDocument(t, h, http.MethodGet, "/api/openapi.json").is(http.StatusOK).body
	asYAML := serveDocument(t, h, http.MethodGet, "/api/openapi.yaml").is(http.StatusOK).body
	require.JSONEq(t, asJSON, toJSON(t, asYAML))
	doc, err := openapi3.NewLoader().LoadFromData([]byte(asJSON))
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context(), openapi3.EnableMultiError()))
	return h, doc
}

// toJSON reads YAML as any client would.
func toJSON(t *testing.T, text string) string {
	t.Helper()
	var v any
	require.NoError(t, yaml.Load([]byte(text), &v))
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return string(out)
}

// serveDocument asks for the document, and holds the answer to the document.
func serveDocument(t *testing.T, h http.Handler, method, path string, header ...string) answered {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answered{t: t, status: w.Code, header: w.Result().Header, body: w.Body.String()}
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	c, err := theContract()
	require.NoError(t, err)
	c.hold(t, exchanged{answered: a, request: r})
	return a
}

func TestDocumentIsServed(t *testing.T) {
	t.Parallel()
	h, doc := describe(t, nil, &api.Options{EnablePublish: true})
	require.Equal(t, "3.1", doc.OpenAPIMajorMinor())
	for path, mediaType := range map[string]string{
		"/api/openapi.json": "application/json; charset=utf-8",
		"/api/openapi.yaml": "application/yaml; charset=utf-8",
	} {
		a := serveDocument(t, h, http.MethodGet, path).is(http.StatusOK)
		require.Equal(t, mediaType, a.header.Get("Content-Type"))
		require.Equal(t, "public, max-age=300", a.header.Get("Cache-Control"))
		tag := a.header.Get("ETag")

		head := serveDocument(t, h, http.MethodHead, path).is(http.StatusOK)
		require.Empty(t, head.body)
		for _, name := range []string{"ETag", "Content-Type", "Content-Length", "Cache-Control"} {
			require.Equal(t, a.header.Get(name), head.header.Get(name))
		}
		for _, known := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			same := serveDocument(t, h, http.MethodGet, path, "If-None-Match", known).is(http.StatusNotModified)
			require.Empty(t, same.body)
			require.Equal(t, tag, same.header.Get("ETag"))
		}
		serveDocument(t, h, http.MethodGet, path, "If-None-Match", `"x"`, "If-None-Match", tag).is(http.StatusNotModified)
		serveDocument(t, h, http.MethodGet, path, "If-None-Match", `"x"`).is(http.StatusOK)

		a = serveDocument(t, h, http.MethodPost, path).is(http.StatusMethodNotAllowed)
		require.Equal(t, "GET, HEAD, OPTIONS", a.header.Get("Allow"))
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		serveDocument(t, h, http.MethodOptions, path).is(http.StatusNoContent)
	}
	for _, path := range []string{
		"/api/openapi.json/", "/api/openapi", "/api/openapi.yml", "/api/OpenAPI.json", "/api/openapi%2Ejson", "/api//openapi.json",
		"/merchants/openapi.json", "/api/merchants/" + harness.Merchant + "/openapi.json",
	} {
		serveDocument(t, h, http.MethodGet, path).is(http.StatusNotFound)
	}
}

// A client that follows the document's server from where it read the document
// gets to the API, wherever that is mounted.
func TestDocumentLeadsToTheAPI(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opts  api.Options
		mount func(http.Handler) http.Handler
		at    string
		none  string // no document there
	}{
		"root":                {at: "/openapi.json"},
		"any prefix":          {at: "/v1/hooks/openapi.json"},
		"StripPrefix":         {mount: stripped("/v1"), at: "/v1/openapi.json"},
		"a slash with it":     {mount: stripped("/v1/"), at: "/v1/openapi.json"},
		"Prefix":              {opts: api.Options{Prefix: "/v1/hooks"}, at: "/v1/hooks/openapi.json", none: "/openapi.json"},
		"Prefix and slash":    {opts: api.Options{Prefix: "/v1/"}, at: "/v1/openapi.json", none: "/v1/x/openapi.json"},
		"Prefix of none":      {opts: api.Options{Prefix: "/"}, at: "/openapi.json", none: "/v1/openapi.json"},
		"Prefix of merchants": {opts: api.Options{Prefix: "/merchants/v1"}, at: "/merchants/v1/openapi.json", none: "/openapi.json"},
		"ServerURL": {
			opts: api.Options{ServerURL: "https://example.com/v1"},
			at:   "/v1/openapi.json",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svc, err := webhook.NewService(memstore.New(nil), nil)
			require.NoError(t, err)
			handler, err := api.New(svc, bearer, &c.opts)
			require.NoError(t, err)
			var h http.Handler = handler
			if c.mount != nil {
				h = c.mount(h)
			}
			var doc struct{ Servers []struct{ URL string } }
			a := serveDocument(t, h, http.MethodGet, c.at).is(http.StatusOK)
			require.NoError(t, json.Unmarshal([]byte(a.body), &doc))
			require.Len(t, doc.Servers, 1)
			read, err := url.Parse("https://example.com" + c.at)
			require.NoError(t, err)
			server, err := read.Parse(doc.Servers[0].URL)
			require.NoError(t, err)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet,
				strings.TrimSuffix(server.String(), "/")+"/merchants/"+harness.Merchant+"/webhooks", nil)
			r.Header.Set("Authorization", "Bearer "+harness.Merchant)
			serve(t, h, r).is(http.StatusOK)
			if c.none != "" {
				serveDocument(t, h, http.MethodGet, c.none).is(http.StatusNotFound)
			}
		})
	}
}

func TestDocumentSaysWhatTheHandlerDoes(t *testing.T) {
	t.Parallel()
	const events = "/merchants/{merchantId}/events"
	h, whole := describe(t, nil, &api.Options{EnablePublish: true, Operator: newOperator(t)})
	source, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	require.JSONEq(t, toJSON(t, string(source)), serveDocument(t, h, http.MethodGet, "/api/openapi.json").body)
	require.NotNil(t, whole.Paths.Value(events).Post)
	require.Equal(t, ".", whole.Servers[0].URL)
	require.Len(t, whole.Webhooks, 9)

	_, doc := describe(t, nil, &api.Options{ServerURL: `https://api.example.com/ä"\`})
	require.Nil(t, doc.Paths.Value(events).Post)
	require.NotNil(t, doc.Paths.Value(events).Get)
	require.NotNil(t, whole.Paths.Value("/operator/jobs/{jobId}/stop"))
	for path := range doc.Paths.Map() {
		require.NotContains(t, path, "operator")
	}
	require.Len(t, doc.Paths.Map(), whole.Paths.Len()-8)
	require.Equal(t, "https://api.example.com/%C3%A4%22%5C", doc.Servers[0].URL)
}

func TestDocumentListsTheCatalog(t *testing.T) {
	t.Parallel()
	guide := event.DefaultCatalog().Entries()
	paid := event.Entry{
		Type: "order.paid", Description: `An "order" was paid: in full`, Frequency: event.High,
		Example: json.RawMessage("{\n\"id\":\"evt_1\",\"type\":\"order.paid\",\"created\":\"2025-11-04T12:00:00Z\",\"data\":{" +
			`"total":"<5>","text":["\ud83d\ude00\u2028\u007f\u0085\ufeff","null","1.5","yes","",": #"," a\n b \n"],` +
			`"number":[1e5,-0,100000000000000000000,2.50,0.000001,-7],"other":[null,true,{},[]],"":0}}`),
	}
	theirs := guide[0]
	theirs.Description = "Of another kind"
	for name, c := range map[string]struct {
		entries []event.Entry
		want    []string
	}{
		"none":       {nil, []string{"webhook.test"}},
		"one of two": {guide[1:3], []string{"chat.query.failed", "document.created", "webhook.test"}},
		"the last":   {guide[7:8], []string{"api_key.expiring", "webhook.test"}},
		"their own":  {[]event.Entry{paid, {Type: "1.5"}, {Type: "null"}}, []string{"order.paid", "1.5", "null", "webhook.test"}},
		"changed":    {[]event.Entry{theirs, guide[8]}, []string{"chat.query.completed", "webhook.test"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catalog, err := event.NewCatalog(c.entries...)
			require.NoError(t, err)
			_, doc := describe(t, catalog, nil)
			require.Len(t, doc.Webhooks, len(c.want))
			for _, e := range c.entries {
				op := doc.Webhooks[string(e.Type)].Post
				require.Equal(t, e.Description, op.Summary)
				require.Len(t, op.Parameters, 8, "all headers")
				require.NotEmpty(t, op.Responses.Map())
				if example := op.RequestBody.Value.Content["application/json"].Example; len(e.Example) > 0 {
					text, err := json.Marshal(example)
					require.NoError(t, err)
					require.JSONEq(t, string(e.Example), string(text))
				}
			}
		})
	}
}

func TestServerURLIsChecked(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, nil)
	for _, bad := range []string{
		"https://example.com/api/", "/", "https://example.com/?a=b", "https://example.com/#a", "https://exa mple.com", ":",
		`https://a"b/`, `https://a"b`, `mailto:a"b`,
	} {
		_, err := api.New(svc, bearer, &api.Options{ServerURL: bad})
		require.ErrorContains(t, err, "ServerURL", bad)
	}
}
