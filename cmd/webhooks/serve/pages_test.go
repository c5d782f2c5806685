package serve

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

// browser keeps cookies, as a merchant's does.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar}
}

func text(t *testing.T, resp *http.Response, err error) (int, string) {
	t.Helper()
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestPortalTakesATokenOfTheAPI(t *testing.T) {
	t.Parallel()
	base, _ := start(t)
	b := browser(t)
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := b.Get(base + path)
		return text(t, resp, err)
	}
	login := func(bearer string, header ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/login", strings.NewReader(url.Values{"token": {bearer}}.Encode()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := b.Do(req)
		return text(t, resp, err)
	}
	_, page := get("/portal/")
	require.Contains(t, page, "Token of the API", "there is no session yet")
	_, page = get("/")
	require.Contains(t, page, "Token of the API", "the root leads to the portal")
	require.Contains(t, page, "<title>Log in – Webhooks</title>")
	resp, err := b.Get(base + "/login")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	sum := sha256.Sum256([]byte(regexp.MustCompile("(?s)<style>(.*)</style>").FindStringSubmatch(page)[1]))
	require.Contains(t, resp.Header.Get("Content-Security-Policy"), "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	status, page := login(token(t, secret, "merchant_42", -time.Hour))
	require.Equal(t, http.StatusUnauthorized, status)
	require.Contains(t, page, "not good")
	status, _ = login(token(t, secret, "merchant_42", time.Hour), "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, status, "another site logs nobody in")
	status, page = login(token(t, secret, "merchant_42", time.Hour))
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "merchant_42")
	_, page = get("/portal/")
	require.Contains(t, page, "merchant_42")
	u, err := url.Parse(base + "/api/")
	require.NoError(t, err)
	require.Empty(t, b.Jar.Cookies(u), "the cookie goes to the portal alone")
	status, _ = get("/api/merchants/merchant_42/webhooks")
	require.Equal(t, http.StatusUnauthorized, status)
}

// No script reads the cookie, and no other site's request has it.
func TestCookieOfThePortal(t *testing.T) {
	t.Parallel()
	auth, err := jwtauth.New(mustSecrets(t), nil)
	require.NoError(t, err)
	for _, secure := range []bool{false, true} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login",
			strings.NewReader(url.Values{"token": {token(t, secret, "merchant_42", time.Hour)}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if secure {
			r.Header.Set("X-Forwarded-Proto", "https")
		}
		w := httptest.NewRecorder()
		login(auth.Authenticate, "Webhooks").ServeHTTP(w, r)
		cookies := w.Result().Cookies()
		require.Len(t, cookies, 1)
		c := cookies[0]
		require.True(t, c.HttpOnly)
		require.Equal(t, http.SameSiteStrictMode, c.SameSite)
		require.Equal(t, "/portal/", c.Path)
		require.Equal(t, secure, c.Secure)
	}
}

func mustSecrets(t *testing.T) *jwtauth.Set {
	t.Helper()
	keys, err := jwtauth.Secrets([]byte(secret))
	require.NoError(t, err)
	return keys
}
