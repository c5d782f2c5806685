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
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// ask has a portal with o answer a GET of the merchant's, or of who asks.
func ask(t *testing.T, o portal.Options, path string, who ...string) *httptest.ResponseRecorder {
	t.Helper()
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	pages, err := portal.New(svc, login, &o)
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("As", append(who, merchant)[0])
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, r)
	return w
}

func TestFrameAncestors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ancestors        []string
		directive, frame string
	}{
		"nobody":     {nil, "frame-ancestors 'none'", "DENY"},
		"itself":     {[]string{"'self'"}, "frame-ancestors 'self'", "SAMEORIGIN"},
		"another":    {[]string{"https://app.acme.com"}, "frame-ancestors https://app.acme.com", ""},
		"both":       {[]string{"'self'", "http://localhost:3000"}, "frame-ancestors 'self' http://localhost:3000", ""},
		"an address": {[]string{"https://[::1]:8443"}, "frame-ancestors https://[::1]:8443", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := ask(t, portal.Options{FrameAncestors: c.ancestors}, "/")
			require.Equal(t, http.StatusOK, w.Code)
			require.True(t, strings.HasSuffix(w.Header().Get("Content-Security-Policy"), "base-uri 'none'; "+c.directive))
			require.Equal(t, c.frame, w.Header().Get("X-Frame-Options"))
		})
	}
}

// A login that shows a page is framed by nobody else either.
func TestFrameAncestorsOfTheLogin(t *testing.T) {
	t.Parallel()
	for want, ancestors := range map[string][]string{"": nil, "frame-ancestors https://app.acme.com": {"https://app.acme.com"}} {
		w := ask(t, portal.Options{FrameAncestors: ancestors, Login: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}, "/", "")
		require.Equal(t, want, w.Header().Get("Content-Security-Policy"))
		require.Equal(t, want == "", w.Header().Get("X-Frame-Options") == "DENY")
	}
}

func TestOptionsOfTheHostAreChecked(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]portal.Options{
		"any origin":              {FrameAncestors: []string{"*"}},
		"any subdomain":           {FrameAncestors: []string{"https://*.acme.com"}},
		"no scheme":               {FrameAncestors: []string{"app.acme.com"}},
		"another scheme":          {FrameAncestors: []string{"data:"}},
		"a path":                  {FrameAncestors: []string{"https://app.acme.com/"}},
		"a directive":             {FrameAncestors: []string{"https://app.acme.com; script-src *"}},
		"two in one":              {FrameAncestors: []string{"https://a.com https://b.com"}},
		"self bare":               {FrameAncestors: []string{"self"}},
		"a user":                  {FrameAncestors: []string{"https://me@acme.com"}},
		"radius without unit":     {Radius: "8"},
		"radius too large":        {Radius: "25px"},
		"radius that goes on":     {Radius: "8px;color:red"},
		"font from elsewhere":     {Font: "url(https://evil.example/f)"},
		"font that ends the rule": {Font: `Inter;}body{display:none`},
		"font with an open quote": {Font: `"Inter`},
		"font with quotes inside": {Font: `"Inter" "x"`},
		"font with an escape":     {Font: `"In\74 er"`},
		"font with nothing":       {Font: "Inter,,serif"},
		"a script":                {Links: portal.Links{Back: portal.Link{URL: "javascript:alert(1)"}}},
		"another host":            {Links: portal.Links{Help: portal.Link{URL: "//evil.example"}}},
		"three slashes":           {Links: portal.Links{Help: portal.Link{URL: "///evil.example"}}},
		"a backslash":             {Links: portal.Links{Help: portal.Link{URL: `/\evil.example`}}},
		"relative":                {Links: portal.Links{Help: portal.Link{URL: "help"}}},
		"a label alone":           {Links: portal.Links{LogOut: portal.Link{Label: "Bye"}}},
		"prefix without slash":    {Prefix: "developers"},
		"prefix with a hole":      {Prefix: "/a//b"},
		"prefix with a query":     {Prefix: "/a?b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svc, err := webhook.NewService(memstore.New(nil), nil)
			require.NoError(t, err)
			_, err = portal.New(svc, login, &o)
			require.ErrorContains(t, err, "portal: ")
		})
	}
}

func TestLinksOfTheHost(t *testing.T) {
	t.Parallel()
	s := newSite(t, &portal.Options{Links: portal.Links{
		Back: portal.Link{Label: "Acme & Co", URL: "https://app.acme.com/home?a=1&b=2"}, Help: portal.Link{URL: "/help"}, LogOut: portal.Link{URL: "/logout"},
	}})
	p := s.do("/", nil).is(http.StatusOK).says("Acme & Co", "Help", "Log out")
	require.Contains(t, p.body, `<a class="host-back" href="https://app.acme.com/home?a=1&amp;b=2" target="_top">`)
	require.Contains(t, p.body, `<a href="/logout" target="_top">Log out</a>`)
	require.NotContains(t, newSite(t, nil).do("/", nil).body, "_top")
}

func TestRadiusAndFont(t *testing.T) {
	t.Parallel()
	stylesheet := func(o *portal.Options) string {
		s := newSite(t, o)
		_, at, _ := strings.Cut(s.do("/", nil).body, `<link rel="stylesheet" href="./`)
		at, _, _ = strings.Cut(at, `"`)
		return s.do("/"+at, nil).is(http.StatusOK).body
	}
	require.True(t, strings.HasSuffix(stylesheet(&portal.Options{Radius: "0px", Font: `"Source Sans 3", Inter, sans-serif`}),
		`:root{--radius:0px;--sans:"Source Sans 3", Inter, sans-serif;}`+"\n"))
	require.NotContains(t, stylesheet(nil), ":root{--radius")
}

func TestTimeZone(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("AEDT", 11*60*60)
	for name, c := range map[string]struct {
		zone *time.Location
		at   time.Time
		want string
	}{
		"the browser's": {nil, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ""},
		"UTC":           {time.UTC, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ""},
		"same day":      {zone, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), " (14:04:05 AEDT)"},
		"the next day":  {zone, time.Date(2026, 1, 31, 23, 4, 5, 0, time.UTC), " (1 Feb, 10:04:05 AEDT)"},
	} {
		require.Equal(t, c.want, portal.Beside(c.zone)(c.at), name)
	}
	s := newSite(t, &portal.Options{TimeZone: zone})
	hook := s.hook()
	p := s.do(hook, nil).is(http.StatusOK)
	require.Regexp(t, `data-full data-local>\d+ \w+ \d{4}, \d\d:\d\d:\d\d UTC<span class="local"> \((\d+ \w+, )?\d\d:\d\d:\d\d AEDT\)</span></time>`, p.body)
	require.Regexp(t, `title="[^"]* AEDT\)" data-local>`, p.body)
}

func TestPrefix(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{
		"/acme/developers/": http.StatusOK, "/acme/developers": http.StatusSeeOther, "/acme/developers/events": http.StatusOK,
		"/acme/developers/merchants/merchant_42/webhooks": http.StatusNotFound, "/acme/developersevents": http.StatusNotFound,
		"/": http.StatusNotFound, "/events": http.StatusNotFound, "/acme/developers/new": http.StatusOK,
	} {
		for _, prefix := range []string{"/acme/developers", "/acme/developers/"} {
			require.Equal(t, want, ask(t, portal.Options{Prefix: prefix}, path).Code, path)
		}
	}
	require.Equal(t, "./developers/", ask(t, portal.Options{Prefix: "/acme/developers"}, "/acme/developers").Header().Get("Location"))
	require.Contains(t, ask(t, portal.Options{Prefix: "/acme/developers"}, "/acme/developers/events").Body.String(), `href="./catalog"`)
	require.Equal(t, http.StatusOK, ask(t, portal.Options{Prefix: "/"}, "/events").Code)
}
