package portal_test

import (
	"bytes"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

const (
	merchant = "merchant_42"
	mount    = "/acme/developers"
	endpoint = "https://example.com/hook"
)

// site is a portal as a host mounts it.
type site struct {
	t     *testing.T
	store *memstore.Store
	svc   *webhook.Service
	mux   *http.ServeMux
	log   *bytes.Buffer
}

func newSite(t *testing.T, o *portal.Options) *site {
	t.Helper()
	return newSiteOn(t, memstore.New(nil), nil, o)
}

// newSiteOn wraps the store, if wrap is not nil.
func newSiteOn(t *testing.T, st *memstore.Store, wrap func(webhook.ServiceStore) webhook.ServiceStore, o *portal.Options) *site {
	t.Helper()
	return newSiteOf(t, st, wrap, nil, o)
}

// newSiteOf has a service with options of its own.
func newSiteOf(t *testing.T, st *memstore.Store, wrap func(webhook.ServiceStore) webhook.ServiceStore, of *webhook.ServiceOptions, o *portal.Options) *site {
	t.Helper()
	s := &site{t: t, store: st, mux: http.NewServeMux(), log: &bytes.Buffer{}}
	var used webhook.ServiceStore = st
	if wrap != nil {
		used = wrap(st)
	}
	var err error
	s.svc, err = webhook.NewService(used, of)
	require.NoError(t, err)
	opts := portal.Options{TestWait: time.Millisecond}
	if o != nil {
		opts = *o
	}
	opts.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	pages, err := portal.New(s.svc, login, &opts)
	require.NoError(t, err)
	s.mux.Handle(mount+"/", http.StripPrefix(mount, pages))
	return s
}

// login takes the principal from a header: "merchant_42", "merchant_42 webhooks:read",
// or "*" for an operator.
func login(r *http.Request) (webhook.Principal, error) {
	name, scope, limited := strings.Cut(r.Header.Get("As"), " ")
	switch name {
	case "":
		return webhook.Principal{}, errors.New("no session")
	case "down":
		return webhook.Principal{}, webhook.ErrUnavailable
	case "panic":
		panic("no")
	}
	p := webhook.Principal{MerchantID: name, AnyMerchant: name == "*"}
	if limited {
		p.Scopes = strings.Fields(scope)
	}
	return p, nil
}

// page is what came back.
type page struct {
	t      *testing.T
	status int
	header http.Header
	body   string
	text   string // the body as it is read
	at     string // the path asked for
}

// do sends a request as merchant, unless header, pairs of key and value, says
// otherwise. A form makes it a POST of this site.
func (s *site) do(path string, form url.Values, header ...string) page {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, mount+path, nil)
	if form != nil {
		r = httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, mount+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	r.Header.Set("As", merchant)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Del(header[i])
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return s.serve(r)
}

var (
	quotes = regexp.MustCompile(`"[^"]*"`)
	tags   = regexp.MustCompile(`<[^>]*>`)
	spans  = regexp.MustCompile(`</?(?:span|strong|time|code)\b[^>]*>`)
)

// serve checks what is so with every answer.
func (s *site) serve(r *http.Request) page {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	p := page{t: s.t, status: w.Code, header: w.Result().Header, body: w.Body.String(), at: r.URL.Path}
	p.text = strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(spans.ReplaceAllString(p.body, ""), " "))), " ")
	require.Equal(s.t, "nosniff", p.header.Get("X-Content-Type-Options"))
	require.Equal(s.t, "same-origin", p.header.Get("Referrer-Policy"))
	require.Contains(s.t, p.header.Get("Content-Security-Policy"), "default-src 'none'")
	require.NotContains(s.t, p.header.Get("Content-Security-Policy"), "unsafe-eval")
	if strings.HasPrefix(p.header.Get("Content-Type"), "text/html") {
		require.Equal(s.t, "no-store", p.header.Get("Cache-Control"))
		for _, directive := range []string{"script-src 'self'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			require.Contains(s.t, p.header.Get("Content-Security-Policy"), directive)
		}
		require.Equal(s.t, "DENY", p.header.Get("X-Frame-Options"))
		require.NotContains(s.t, p.header.Get("Content-Security-Policy"), "unsafe")
		require.NotRegexp(s.t, `(?i)<style|<script>|(href|src|action)="(javascript|data|//)`, p.body, "nothing inline, nothing from elsewhere")
		require.NotRegexp(s.t, `(?i)<[^>]*\s(on[a-z]+|style)=`, quotes.ReplaceAllString(p.body, `""`))
		require.NotContains(s.t, p.body, "ZgotmplZ")
		require.NotContains(s.t, p.body, "no value")
	}
	return p
}

func (p page) is(status int) page {
	p.t.Helper()
	require.Equal(p.t, status, p.status, "%s: %s", p.at, p.text)
	return p
}

// says requires texts on the page, and returns it.
func (p page) says(texts ...string) page {
	p.t.Helper()
	for _, text := range texts {
		require.Contains(p.t, p.text, text, p.at)
	}
	return p
}

// to requires a redirect, and returns where it leads below the mount.
func (p page) to() string {
	p.t.Helper()
	p.is(http.StatusSeeOther)
	from := &url.URL{Path: p.at}
	to, err := from.Parse(p.header.Get("Location"))
	require.NoError(p.t, err)
	require.True(p.t, strings.HasPrefix(to.Path, mount+"/"), "leads to %s", to)
	return strings.TrimPrefix(to.String(), mount)
}

// field returns the value of a hidden field.
func (p page) field(name string) string {
	p.t.Helper()
	m := regexp.MustCompile(`<input type="hidden" name="` + name + `" value="([^"]*)"`).FindStringSubmatch(p.body)
	require.NotNil(p.t, m, "no field %s: %s", name, p.text)
	return html.UnescapeString(m[1])
}

// secret returns the secret that a page shows.
func (p page) secret() string {
	p.t.Helper()
	m := regexp.MustCompile(`whsec_[A-Za-z0-9+/]{36}`).FindString(html.UnescapeString(p.body))
	require.NotEmpty(p.t, m, p.text)
	return m
}

// hook registers a webhook of the merchant and returns its path.
func (s *site) hook() string {
	s.t.Helper()
	reg, err := s.svc.Register(s.t.Context(), merchant, webhook.Registration{URL: endpoint, Events: []string{"document.created"}})
	require.NoError(s.t, err)
	return "/webhooks/" + reg.Webhook.ID
}

func hookID(path string) string { return strings.TrimPrefix(path, "/webhooks/") }

// webhook returns the one at a path as it is now.
func (s *site) webhook(path string) webhook.Webhook {
	s.t.Helper()
	w, err := s.svc.Webhook(s.t.Context(), merchant, hookID(path))
	require.NoError(s.t, err)
	return w
}

// all returns the merchant's webhooks.
func (s *site) all() []webhook.Webhook {
	s.t.Helper()
	got, err := s.svc.Webhooks(s.t.Context(), merchant, webhook.WebhookQuery{Limit: 100})
	require.NoError(s.t, err)
	return got.Webhooks
}

// delivered publishes an event, ends its deliveries, and returns the id of the one
// at a path.
func (s *site) delivered(path string, result store.Result) string {
	s.t.Helper()
	_, err := s.svc.Publish(s.t.Context(), merchant, event.New(event.DocumentCreated{DocumentID: "doc_1", Title: "A & B"}))
	require.NoError(s.t, err)
	s.settle(result)
	return s.youngest(path).ID
}

func (s *site) youngest(path string) webhook.Delivery {
	s.t.Helper()
	got, err := s.svc.Deliveries(s.t.Context(), merchant, hookID(path), webhook.DeliveryQuery{Limit: 1})
	require.NoError(s.t, err)
	require.NotEmpty(s.t, got.Deliveries)
	return got.Deliveries[0]
}

// settle claims all that is due and ends it as a dispatcher would.
func (s *site) settle(result store.Result) {
	s.t.Helper()
	got, err := s.store.Claim(s.t.Context(), store.ClaimRequest{Limit: 1000, PerWebhook: 1000, Lease: time.Minute})
	require.NoError(s.t, err)
	require.NotEmpty(s.t, got.Leases)
	results := make([]store.Result, len(got.Leases))
	for i, l := range got.Leases {
		results[i] = result
		results[i].MerchantID, results[i].WebhookID = l.MerchantID, l.WebhookID
		results[i].DeliveryID, results[i].Token = l.DeliveryID, l.Token
	}
	_, err = s.store.Finish(s.t.Context(), results)
	require.NoError(s.t, err)
}

func success() store.Result {
	return store.Result{Outcome: store.Succeeded, Attempt: store.Attempt{StatusCode: 200, ResponseBody: "OK", Duration: 34 * time.Millisecond}}
}

func failure(body string) store.Result {
	return store.Result{Outcome: store.Failed, Attempt: store.Attempt{
		StatusCode: 500, Code: string(webhook.CodeStatus), ResponseBody: body, Duration: 1500 * time.Millisecond,
	}}
}

// values makes a form of pairs.
func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}
