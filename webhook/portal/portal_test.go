package portal_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

func TestNewListsWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := portal.New(nil, nil, &portal.Options{
		TestWait: -1, TestsPerMinute: 61, Accent: "#ffff00", AccentDark: "red", Logo: []byte("<html>"),
	})
	for _, text := range []string{
		"service is nil", "authenticate is nil", "TestWait", "TestsPerMinute", "Accent has a contrast of 1.1",
		"AccentDark is not a colour", "logo is not an SVG",
	} {
		require.ErrorContains(t, err, text)
	}
}

// Every link and form of every page leads to a page, wherever the portal is mounted
// and whoever takes a part of the path away.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for name, as := range map[string]string{"merchant": merchant, "reader": merchant + " webhooks:read", "operator": "*"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			hook := s.hook()
			for range 60 {
				s.delivered(hook, failure("no"))
			}
			start := "/"
			if as == "*" {
				start = "/merchants/" + merchant + "/"
			}
			require.Greater(t, s.crawl(as, start), 20)
		})
	}
}

// crawl follows all links and forms from a page, and returns how many pages there are.
func (s *site) crawl(as, start string) int {
	s.t.Helper()
	seen := map[string]bool{}
	next := []string{start}
	found := regexp.MustCompile(`(?:href|src|action|data-hx-get|data-hx-post)="([^"]*)"`)
	for len(next) > 0 {
		path := next[0]
		next = next[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		p := s.do(path, nil, "As", as)
		if p.status == http.StatusMethodNotAllowed { // A form's address.
			require.Equal(s.t, http.MethodPost, p.header.Get("Allow"), path)
			continue
		}
		if p.status == http.StatusSeeOther { // Where the portal begins, for an operator.
			next = append(next, p.to())
			continue
		}
		p.is(http.StatusOK)
		for _, m := range found.FindAllStringSubmatch(p.body, -1) {
			link, err := url.Parse(html.UnescapeString(m[1]))
			require.NoError(s.t, err)
			require.False(s.t, link.IsAbs() || strings.HasPrefix(link.Path, "/"), "%s has an absolute link %s", path, link)
			from := url.URL{Path: p.at}
			to := from.ResolveReference(link)
			to.Fragment = ""
			next = append(next, strings.TrimPrefix(to.String(), mount))
		}
	}
	return len(seen)
}

func TestMounting(t *testing.T) {
	t.Parallel()
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	pages, err := portal.New(svc, func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{MerchantID: merchant}, nil
	}, nil)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		handler  http.Handler
		target   string
		status   int
		location string
	}{
		"at the root":                 {pages, "/", 200, ""},
		"below a prefix":              {http.StripPrefix("/portal", pages), "/portal/", 200, ""},
		"the prefix takes the slash":  {http.StripPrefix("/portal/", pages), "/portal/", 200, ""},
		"the prefix without a slash":  {http.StripPrefix("/portal", pages), "/portal", 303, "./portal/"},
		"and with a query":            {http.StripPrefix("/a/portal", pages), "/a/portal?x=/", 303, "./portal/"},
		"a deep page":                 {http.StripPrefix("/portal", pages), "/portal/events", 200, ""},
		"an unknown page":             {http.StripPrefix("/portal", pages), "/portal/events/", 404, ""},
		"two slashes":                 {pages, "//events", 404, ""},
		"an escaped slash in an id":   {pages, "/webhooks/a%2Fb", 404, ""},
		"a merchant with no page":     {pages, "/merchants/" + merchant, 404, ""},
		"a merchant's page":           {pages, "/merchants/" + merchant + "/events", 200, ""},
		"an asset of another version": {pages, "/assets/0000000000000000/portal.css", 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			c.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.target, nil))
			require.Equal(t, c.status, w.Code, w.Body)
			require.Equal(t, c.location, w.Header().Get("Location"))
		})
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	logo := []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	s := newSite(t, &portal.Options{Title: "Acme & Co", Logo: logo, Accent: "#0B6E4F", AccentDark: "#7fe0b8"})
	p := s.do("/", nil, "As", merchant).is(http.StatusOK).says("Acme & Co")
	at := regexp.MustCompile(`assets/[0-9a-f]+/`).FindString(p.body)
	for name, mediaType := range map[string]string{
		"portal.css": "text/css", "portal.js": "text/javascript", "htmx.min.js": "text/javascript",
		"htmx.LICENSE": "text/plain", "icon.svg": "image/svg+xml", "chevron.svg": "image/svg+xml", "logo": "image/svg+xml",
	} {
		a := s.do("/"+at+name, nil, "As", "").is(http.StatusOK) // Without a login: the login page may want them.
		require.Contains(t, a.header.Get("Content-Type"), mediaType)
		require.Contains(t, a.header.Get("Cache-Control"), "immutable")
	}
	css := s.do("/"+at+"portal.css", nil)
	require.Contains(t, css.body, "--accent:#0b6e4f;--on-accent:#ffffff")
	require.Contains(t, css.body, "--accent:#7fe0b8;--on-accent:#111216")
	require.Contains(t, s.do("/"+at+"logo", nil).header.Get("Content-Security-Policy"), "sandbox")
	for _, path := range []string{"nothing", "portal.go", ""} {
		s.do("/"+at+path, nil).is(http.StatusNotFound)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	s.do(hook+"/test", nil).is(http.StatusMethodNotAllowed)
	p := s.do(hook, values("a", "b")).is(http.StatusMethodNotAllowed)
	require.Equal(t, "GET, HEAD", p.header.Get("Allow"))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodHead, mount+hook, nil)
	r.Header.Set("As", merchant)
	head := s.serve(r).is(http.StatusOK)
	require.Empty(t, head.body)
	require.NotEmpty(t, head.header.Get("Content-Length"))
}

// The programs that the portal shows are those that are run.
func TestSnippetsAreTheProgramsThatAreRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	for lang, file := range map[string]string{
		"node": "receiver.js", "python": "receiver.py", "php": "receiver.php", "ruby": "receiver.rb",
		"go": "main.go", "java": "Receiver.java", "csharp": "Program.cs", "rust": "main.rs",
	} {
		p := s.do(hook+"/verify?lang="+lang, nil).is(http.StatusOK)
		_, code, found := strings.Cut(p.body, `<code id="code">`)
		require.True(t, found)
		code, _, _ = strings.Cut(code, "</code>")
		code = html.UnescapeString(code)
		program, err := os.ReadFile("../../examples/receivers/" + file)
		require.NoError(t, err)
		require.Equal(t, string(program), code)
	}
	s.do(hook+"/verify?lang=<b>", nil).is(http.StatusOK).says("receiver.js")
}

func TestVerifySaysWhatThisEndpointGets(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	for encoding, text := range map[webhook.Encoding]string{
		webhook.EncodingStandard: "characters are written as they are",
		webhook.EncodingASCII:    "characters beyond ASCII are written as",
		webhook.EncodingHTML:     "<, > and & are written as",
	} {
		_, err := s.svc.Update(t.Context(), merchant, hookID(hook), webhook.Update{Encoding: &encoding})
		require.NoError(t, err)
		s.do(hook+"/verify", nil).is(http.StatusOK).says(text)
	}
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.do("/catalog", nil).is(http.StatusOK)
	for e := range s.svc.Catalog().All() {
		p.says(string(e.Type), e.Description)
		require.Contains(t, p.body, `id="`+string(e.Type)+`"`)
	}
	p.says(`"documentId": "doc_abc123"`, "On request", "High volume")
}
