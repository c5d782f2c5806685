package jwtauth_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

const hooks = "/api/merchants/" + merchant + "/webhooks"

// newAPI is the management API behind tokens. It logs everything.
func newAPI(t *testing.T, auth *jwtauth.Authenticator) (*api.Handler, *bytes.Buffer) {
	t.Helper()
	svc, err := webhook.NewService(memstore.New(nil), &webhook.ServiceOptions{Now: atNoon})
	require.NoError(t, err)
	var logs bytes.Buffer
	h, err := api.New(svc, auth.Authenticate, &api.Options{
		Logger: slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(t, err)
	return h, &logs
}

// get asks for the merchant's webhooks. Header is name and value, in pairs.
func get(h http.Handler, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, hooks, http.NoBody)
	r.Header.Set("X-Request-ID", "req_abc123")
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAuthorizationHeader(t *testing.T) {
	t.Parallel()
	h, _ := newAPI(t, newAuth(t, secrets(t), jwtauth.Options{}))
	token := hs256.token()
	const name = "Authorization"
	for scheme, good := range map[string]bool{
		"Bearer ": true, "bearer ": true, "BEARER ": true, "bEaReR ": true,
		"Bearer  ": false, "Bearer\t": false, "Bearer": false, " Bearer ": false, "": false, "Token ": false, "JWT ": false, "Basic ": false,
		"Bearer: ": false, "Bearer=": false, "Bearer Bearer ": false, "Bearer,": false, "DPoP ": false, "Negotiate ": false,
	} {
		w := get(h, name, scheme+token)
		if good {
			require.Equal(t, http.StatusOK, w.Code, "%q", scheme)
		} else {
			require.Equal(t, http.StatusUnauthorized, w.Code, "%q", scheme)
		}
	}
	bearer := "Bearer " + token
	const invalid = `Bearer error="invalid_token"`
	for what, c := range map[string]struct {
		header []string
		want   string
	}{
		"none":                {nil, "Bearer"},
		"empty":               {[]string{name, ""}, "Bearer"},
		"another scheme":      {[]string{name, "Basic dXNlcjpwYXNz"}, "Bearer"},
		"scheme only":         {[]string{name, "Bearer"}, invalid},
		"scheme and a space":  {[]string{name, "Bearer "}, invalid},
		"two":                 {[]string{name, bearer, name, bearer}, invalid},
		"two, one empty":      {[]string{name, bearer, name, ""}, invalid},
		"two, one of Basic":   {[]string{name, "Basic dXNlcjpwYXNz", name, bearer}, invalid},
		"two in one":          {[]string{name, bearer + ", " + bearer}, invalid},
		"something behind":    {[]string{name, bearer + " x"}, invalid},
		"space behind":        {[]string{name, bearer + " "}, invalid},
		"parameters":          {[]string{name, bearer + `, realm="x"`}, invalid},
		"quotes":              {[]string{name, `Bearer "` + token + `"`}, invalid},
		"another header":      {[]string{"Proxy-Authorization", bearer}, "Bearer"},
		"a header of proxies": {[]string{"X-Forwarded-Authorization", bearer, "X-Access-Token", token}, "Bearer"},
		"a cookie":            {[]string{"Cookie", "token=" + token + "; access_token=" + token + "; Authorization=" + bearer}, "Bearer"},
	} {
		w := get(h, c.header...)
		require.Equal(t, http.StatusUnauthorized, w.Code, what)
		require.Equal(t, []string{c.want}, w.Header().Values("WWW-Authenticate"), what)
	}

	// Neither the query nor a form is looked at (RFC 6750, sections 2.2 and 2.3).
	r := httptest.NewRequest(http.MethodPost, hooks+"?access_token="+token+"&token="+token, strings.NewReader("access_token="+token))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code)
}

// timestamp is what differs between two answers.
var timestamp = regexp.MustCompile(`"timestamp":"[^"]*"`)

// From outside, one refusal looks like any other. The log has the reason, and
// nothing that could be used.
func TestRefusalsLookTheSame(t *testing.T) {
	t.Parallel()
	h, logs := newAPI(t, newAuth(t, secrets(t), jwtauth.Options{Issuer: "us", Audience: []string{"api"}}))
	us := []string{"iss", `"us"`, "aud", `"api"`}
	good := hs256.token(us...)
	require.Equal(t, http.StatusOK, get(h, "Authorization", "Bearer "+good).Code)
	bad := map[string]string{
		"signature is invalid":  good[:len(good)-3] + "AAA",
		"expired":               hs256.token(append(us, "exp", in(-600))...),
		"exp claim is required": hs256.token(append(us, "exp", "")...),
		"not valid yet":         hs256.token(append(us, "nbf", in(600))...),
		"used before issued":    hs256.token(append(us, "iat", in(600))...),
		"invalid issuer":        hs256.token("iss", `"them"`, "aud", `"api"`),
		"invalid audience":      hs256.token("iss", `"us"`, "aud", `"them"`),
		"merchant claim":        hs256.token(append(us, "merchantId", `""`)...),
		"signing method":        hs256.token(append(us, "header.alg", `"none"`)...),
		"header has crit":       hs256.token(append(us, "header.crit", `["x"]`)...),
		"appears twice":         hs256.raw(`{"alg":"HS256","alg":"HS256"}`, `{}`),
		"number of segments":    "a.b",
		"base64":                good + "=",
		"longer than":           strings.Repeat("a", 10000),
	}
	seen := map[string]bool{}
	for reason, token := range bad {
		logs.Reset()
		w := get(h, "Authorization", "Bearer "+token)
		require.Equal(t, http.StatusUnauthorized, w.Code)
		require.Equal(t, `Bearer error="invalid_token"`, w.Header().Get("WWW-Authenticate"))
		seen[timestamp.ReplaceAllString(w.Body.String(), "")] = true
		require.Contains(t, logs.String(), reason)
		require.Contains(t, logs.String(), "level=DEBUG")
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 4 {
				require.NotContains(t, logs.String(), part, reason)
			}
		}
	}
	require.Len(t, seen, 1)
	for body := range seen {
		require.Contains(t, body, `"code":"unauthorized"`)
	}
}

func TestScopesAtTheAPI(t *testing.T) {
	t.Parallel()
	const read, write = `"webhooks:read"`, `"webhooks:write"`
	for name, c := range map[string]struct {
		o         jwtauth.Options
		changes   []string
		get, post int
	}{
		"no scope":          {post: 201, get: 200},
		"no scope, needed":  {o: jwtauth.Options{RequireScope: true}, post: 403, get: 403},
		"read":              {changes: []string{"scope", read}, get: 200, post: 403},
		"write":             {changes: []string{"scope", write}, get: 403, post: 201},
		"others":            {changes: []string{"scope", `"openid email"`}, get: 403, post: 403},
		"empty":             {changes: []string{"scope", `""`}, get: 403, post: 403},
		"another merchant":  {changes: []string{"merchantId", `"merchant_43"`}, get: 403, post: 403},
		"operator":          {o: jwtauth.Options{AdminScope: "ops"}, changes: []string{"scope", `"ops"`, "merchantId", ""}, get: 200, post: 201},
		"no operator":       {o: jwtauth.Options{AdminScope: "ops"}, changes: []string{"scope", read, "merchantId", ""}, get: 401, post: 401},
		"no known operator": {changes: []string{"scope", `"ops"`}, get: 403, post: 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, _ := newAPI(t, newAuth(t, secrets(t), c.o))
			for method, want := range map[string]int{http.MethodGet: c.get, http.MethodPost: c.post} {
				r := httptest.NewRequest(method, hooks, strings.NewReader(`{"url":"https://example.com/hook","events":["*"]}`))
				r.Header.Set("Authorization", "Bearer "+hs256.token(c.changes...))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				require.Equal(t, want, w.Code, w.Body)
			}
		})
	}
}

func TestUnavailableKeysAtTheAPI(t *testing.T) {
	t.Parallel()
	remote, err := jwtauth.NewRemote(jwksURL, &jwtauth.RemoteOptions{Timeout: 1})
	require.NoError(t, err)
	h, logs := newAPI(t, newAuth(t, remote, jwtauth.Options{InsecureAnyAudience: true}))
	w := get(h, "Authorization", "Bearer "+of("k1"))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Empty(t, w.Header().Get("WWW-Authenticate"))
	require.Contains(t, logs.String(), "level=ERROR")
	require.Contains(t, logs.String(), "no JWK Set was fetched yet")
	require.NotContains(t, w.Body.String(), "JWK")
	require.Equal(t, http.StatusUnauthorized, get(h).Code, "nobody is nobody, keys or not")
}
