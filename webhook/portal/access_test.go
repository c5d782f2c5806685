package portal_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// action is a form of the portal, with fields that would do something.
type action struct {
	path string
	form url.Values
}

// actions are all forms of a merchant's that are about one of their webhooks and
// deliveries.
func actions(s *site, hook, deliveryID string) []action {
	s.t.Helper()
	version := "1"
	return []action{
		{"/new", values("url", endpoint, "all", "1", "encoding", "standard", "token", "form_1")},
		{hook + "/edit", values("url", endpoint+"2", "all", "1", "encoding", "standard", "version", version)},
		{hook + "/status", values("status", "disabled")},
		{hook + "/rotate", values("grace", "24", "token", "form_2")},
		{hook + "/test", values("a", "b")},
		{hook + "/detect", values("a", "b")},
		{hook + "/encoding", values("encoding", "ascii")},
		{hook + "/replay", values("which", "both")},
		{hook + "/replays/" + s.replaying(hook) + "/stop", values("a", "b")},
		{hook + "/deliveries/" + deliveryID + "/redeliver", values("token", "form_3")},
		{hook + "/deliveries/" + deliveryID + "/cancel", values("a", "b")},
		{hook + "/cancel", values("a", "b")},
		{hook + "/delete", values("version", version)},
	}
}

// views are all pages of such.
func views(hook, deliveryID, replayID string) []string {
	return []string{
		hook, hook + "/edit", hook + "/rotate", hook + "/delete", hook + "/verify", hook + "/replay", hook + "/cancel", hook + "/changes", hook + "/performance",
		hook + "/deliveries", hook + "/deliveries/" + deliveryID, hook + "/deliveries/" + deliveryID + "/outcome",
		hook + "/replays/" + replayID,
	}
}

// replaying is the id of the replay that is running, or begins.
func (s *site) replaying(hook string) string {
	s.t.Helper()
	r, err := s.svc.Replay(s.t.Context(), merchant, hookID(hook), webhook.Replay{})
	if running, ok := errors.AsType[*webhook.ReplayingError](err); ok {
		return running.ReplayID
	}
	require.NoError(s.t, err)
	return r.ID
}

// unchanged requires that what a merchant has is as it was, and returns a check of
// that.
func (s *site) unchanged(hook string) func() {
	s.t.Helper()
	before, count := s.webhook(hook), len(s.all())
	stats, err := s.svc.Stats(s.t.Context(), merchant, hookID(hook))
	require.NoError(s.t, err)
	return func() {
		s.t.Helper()
		require.Equal(s.t, before, s.webhook(hook))
		require.Len(s.t, s.all(), count)
		now, err := s.svc.Stats(s.t.Context(), merchant, hookID(hook))
		require.NoError(s.t, err)
		require.Equal(s.t, stats, now)
	}
}

func TestNobodyGetsIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		as     string
		status int
		says   string
	}{
		"nobody":                     {"", http.StatusUnauthorized, "Log in first"},
		"a login that is away":       {"down", http.StatusServiceUnavailable, "Not available at the moment"},
		"a login that panics":        {"panic", http.StatusInternalServerError, "Something went wrong"},
		"a login without any rights": {merchant + " ", http.StatusForbidden, "Not allowed"},
		"an unfit merchant":          {"merchant,42", http.StatusNotFound, "Not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			hook := s.hook()
			deliveryID := s.delivered(hook, failure("no"))
			check := s.unchanged(hook)
			for _, path := range append(views(hook, deliveryID, s.replaying(hook)), "/", "/new", "/events") {
				p := s.do(path, nil, "As", c.as).is(c.status).says(c.says)
				require.NotContains(t, p.text, endpoint)
			}
			for _, a := range actions(s, hook, deliveryID) {
				s.do(a.path, a.form, "As", c.as).is(c.status)
			}
			check()
		})
	}
}

func TestLoginIsTheHosts(t *testing.T) {
	t.Parallel()
	s := newSite(t, &portal.Options{Login: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Empty(t, w.Header().Get("Content-Security-Policy"), "the host's page has one of its own")
		http.Redirect(w, r, "/login?to="+url.QueryEscape(r.RequestURI), http.StatusSeeOther)
	})})
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, mount+"/events", nil))
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, "/login?to=%2Facme%2Fdevelopers%2Fevents", w.Header().Get("Location"))
	// A script that asks for a part of a page has that loaded again.
	p := s.do("/events", nil, "As", "", "HX-Request", "true").is(http.StatusUnauthorized)
	require.Equal(t, "true", p.header.Get("HX-Refresh"))
	require.Contains(t, s.log.String(), "no session")
}

// A browser that follows the policy would stop a form on its way to the login of
// another origin, so a page leads there from where the form was.
func TestFormsLeadToTheLogin(t *testing.T) {
	t.Parallel()
	login := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, http.MethodGet, r.Method)
		http.Redirect(w, r, "https://login.example/?to="+url.QueryEscape(r.RequestURI), http.StatusSeeOther)
	})
	s := newSite(t, &portal.Options{Login: login})
	hook := s.hook()
	deliveryID := s.delivered(hook, failure("no"))
	check := s.unchanged(hook)
	button := regexp.MustCompile(`<a class="button" href="([^"]*)">Log in</a>`)
	for _, a := range actions(s, hook, deliveryID) {
		p := s.do(a.path, a.form, "As", "").is(http.StatusUnauthorized).says("Your session has ended", "nothing was changed")
		found := button.FindStringSubmatch(p.body)
		require.NotNil(t, found, p.body)
		from := &url.URL{Path: p.at}
		to, err := from.Parse(found[1])
		require.NoError(t, err)
		back := strings.TrimPrefix(to.Path, mount)
		s.do(back, nil).is(http.StatusOK)
		w := httptest.NewRecorder()
		s.mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, to.Path, nil))
		require.Equal(t, "https://login.example/?to="+url.QueryEscape(to.Path), w.Header().Get("Location"))
	}
	check()
}

// One merchant's pages never reach another's webhooks.
func TestForeignMerchants(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	deliveryID := s.delivered(hook, failure("no"))
	check := s.unchanged(hook)
	const other = "merchant_43"

	// Below their own path, an id of somebody else is as one that never was.
	unknown := "/webhooks/whk_unknown"
	for i, path := range views(hook, deliveryID, s.replaying(hook)) {
		theirs := s.do(path, nil, "As", other).is(http.StatusNotFound)
		never := s.do(views(unknown, deliveryID, "rpl_1")[i], nil, "As", other).is(http.StatusNotFound)
		require.Equal(t, never.text, theirs.text)
	}
	for _, a := range actions(s, hook, deliveryID)[1:] {
		s.do(a.path, a.form, "As", other).is(http.StatusNotFound)
	}
	// The other's path is refused.
	for _, path := range append(views(hook, deliveryID, s.replaying(hook)), "/", "/events") {
		s.do("/merchants/"+merchant+path, nil, "As", other).is(http.StatusForbidden).says("Not your webhooks")
	}
	for _, a := range actions(s, hook, deliveryID) {
		s.do("/merchants/"+merchant+a.path, a.form, "As", other).is(http.StatusForbidden)
	}
	// So is a delivery of another webhook of one's own.
	second := s.hook()
	s.do(second+"/deliveries/"+deliveryID, nil).is(http.StatusNotFound)
	s.do(second+"/deliveries/"+deliveryID+"/redeliver", values("token", "form_9")).is(http.StatusNotFound)
	require.NoError(t, s.svc.Delete(t.Context(), merchant, hookID(second), 0))
	check()
}

func TestReadersSeeNoForms(t *testing.T) {
	t.Parallel()
	const reader = merchant + " webhooks:read"
	s := newSite(t, nil)
	hook := s.hook()
	deliveryID := s.delivered(hook, failure("no"))
	check := s.unchanged(hook)
	for _, path := range append(views(hook, deliveryID, s.replaying(hook)), "/", "/events") {
		p := s.do(path, nil, "As", reader)
		if strings.HasSuffix(path, "/edit") || strings.HasSuffix(path, "/rotate") || strings.HasSuffix(path, "/delete") || strings.HasSuffix(path, "/replay") || strings.HasSuffix(path, "/cancel") {
			p.is(http.StatusForbidden)
		} else {
			p.is(http.StatusOK)
		}
		require.NotContains(t, p.body, `method="post"`, path)
		require.NotContains(t, p.body, "/edit", path)
	}
	s.do("/new", nil, "As", reader).is(http.StatusForbidden)
	s.do("/", nil, "As", reader).says("Read only")
	for _, a := range actions(s, hook, deliveryID) {
		s.do(a.path, a.form, "As", reader).is(http.StatusForbidden).says("Ask an administrator")
	}
	check()
	// The right to write does not include reading.
	s.do(hook, nil, "As", merchant+" webhooks:write").is(http.StatusForbidden)
}

func TestOperators(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	s.do("/", nil, "As", "*").is(http.StatusOK).says("Choose a merchant")
	s.do("/?merchant=a,b", nil, "As", "*").is(http.StatusUnprocessableEntity).says("letters, digits")
	require.Equal(t, "/merchants/"+merchant+"/", s.do("/?merchant=+"+merchant, nil, "As", "*").to())
	require.Equal(t, "/", s.do(hook, nil, "As", "*").to(), "no merchant: choose first")
	s.do("/merchants/"+merchant+hook, nil, "As", "*").is(http.StatusOK).says(endpoint, merchant, "Change")
	to := s.do("/merchants/"+merchant+hook+"/status", values("status", "disabled"), "As", "*").to()
	require.Equal(t, "/merchants/"+merchant+hook+"?done=disabled", to)
	require.Equal(t, webhook.Disabled, s.webhook(hook).Status)
	s.do("/merchants/no,body/", nil, "As", "*").is(http.StatusNotFound)
}

func TestOptionsMerchant(t *testing.T) {
	t.Parallel()
	s := newSite(t, &portal.Options{Merchant: func(r *http.Request) string { return r.Header.Get("Tenant") }})
	hook := s.hook()
	s.do(hook, nil, "As", "*", "Tenant", merchant).is(http.StatusOK).says(endpoint)
	s.do(hook, nil, "As", "*", "Tenant", "merchant_43").is(http.StatusNotFound)
	s.do(hook, nil, "As", "merchant_43", "Tenant", merchant).is(http.StatusNotFound) // Asked for operators only.
	s.do("/", nil, "As", "*").says("Choose a merchant")
}

// Forms of other sites change nothing, whatever the login is.
func TestForeignForms(t *testing.T) {
	t.Parallel()
	for name, header := range map[string][]string{
		"another site":          {"Sec-Fetch-Site", "cross-site"},
		"a sibling domain":      {"Sec-Fetch-Site", "same-site"},
		"an older browser":      {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		"a sandboxed frame":     {"Sec-Fetch-Site", "", "Origin", "null"},
		"a browser that is mum": {"Sec-Fetch-Site", ""},
		"behind a proxy that turns cookies into tokens": {"Sec-Fetch-Site", "cross-site", "Authorization", "Bearer x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			hook := s.hook()
			deliveryID := s.delivered(hook, failure("no"))
			check := s.unchanged(hook)
			for _, a := range actions(s, hook, deliveryID) {
				s.do(a.path, a.form, header...).is(http.StatusForbidden).says("Form refused")
			}
			check()
		})
	}
	s := newSite(t, nil)
	hook := s.hook()
	s.do(hook+"/status", values("status", "disabled"), "Sec-Fetch-Site", "", "Origin", "http://example.com").is(http.StatusSeeOther)
}

func TestTrustedOrigins(t *testing.T) {
	t.Parallel()
	trusted := http.NewCrossOriginProtection()
	require.NoError(t, trusted.AddTrustedOrigin("https://app.example.com"))
	s := newSite(t, &portal.Options{CrossOrigin: trusted})
	hook := s.hook()
	s.do(hook+"/status", values("status", "disabled"), "Sec-Fetch-Site", "same-site", "Origin", "https://app.example.com").is(http.StatusSeeOther)
	s.do(hook+"/status", values("status", "active"), "Sec-Fetch-Site", "same-site", "Origin", "https://evil.example.com").is(http.StatusForbidden)
	require.Equal(t, webhook.Disabled, s.webhook(hook).Status)
}

func TestFormsThatAreNone(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	check := s.unchanged(hook)
	s.do(hook+"/status", values("status", "disabled"), "Content-Type", "application/json").is(http.StatusUnsupportedMediaType)
	s.do(hook+"/status", values("status", "disabled"), "Content-Type", "multipart/form-data; boundary=x").is(http.StatusUnsupportedMediaType)
	s.do(hook+"/status", values("status", "gone")).is(http.StatusBadRequest).says("Form incomplete")
	s.do(hook+"/status", values("status", strings.Repeat("a", 200<<10))).is(http.StatusRequestEntityTooLarge)
	s.do(hook+"/rotate", values("grace", "24")).is(http.StatusBadRequest)
	s.do(hook+"/rotate", values("grace", "200", "token", "form_1")).is(http.StatusBadRequest)
	s.do(hook+"/rotate", values("grace", "24", "token", "form 1")).is(http.StatusBadRequest)
	s.do(hook+"/delete", values("version", "x")).is(http.StatusBadRequest)
	s.do(hook+"/edit", values("url", endpoint)).is(http.StatusBadRequest)
	s.do(hook+"/replay", values("which", "")).is(http.StatusBadRequest)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, mount+hook+"/status", strings.NewReader("status=%zz"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("As", merchant)
	s.serve(r).is(http.StatusBadRequest)
	check()
}
