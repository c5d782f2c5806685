package jwtauth_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

// Whatever stands in Authorization, there is a principal only for what our keys
// have signed, and it is the one whom that names.
func FuzzAuthenticate(f *testing.F) {
	all := []issuer{hs256, rs256, ps256, es256, eddsa}
	var keys []map[string]any
	for _, i := range all {
		keys = append(keys, i.jwk(map[string]any{"kid": i.method.Alg()}))
	}
	set := parseJWKS(f, keys...)
	auth := newAuth(f, set, jwtauth.Options{AdminScope: "ops"})

	// All that our keys ever sign.
	changes := [][]string{
		nil,
		{"scope", `"webhooks:read x"`},
		{"scp", `["webhooks:write"]`},
		{"scope", `"ops"`, "merchantId", ""},
		{"exp", in(-600)},
		{"exp", ""},
		{"merchantId", "7"},
		{"header.crit", `["x"]`},
		{"header.kid", `"nobody"`},
		{"header.typ", `"logout+jwt"`},
	}
	principals := map[string]webhook.Principal{}
	for _, i := range all {
		for n, c := range changes {
			token := i.token(c...)
			input := token[:strings.LastIndex(token, ".")]
			switch n {
			case 0:
				principals[input] = webhook.Principal{MerchantID: merchant}
			case 1:
				principals[input] = webhook.Principal{MerchantID: merchant, Scopes: []string{"webhooks:read", "x"}}
			case 2:
				principals[input] = webhook.Principal{MerchantID: merchant, Scopes: []string{"webhooks:write"}}
			case 3:
				principals[input] = webhook.Principal{AnyMerchant: true}
			}
			f.Add("Bearer " + token)
		}
	}
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "bearer a.b.c", "Basic dXNlcjpwYXNz", "Bearer ..", "Bearer " + strings.Repeat(".", 100),
		"Bearer " + b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(`{"exp":1763813400,"merchantId":"merchant_42"}`)) + ".",
		"Bearer " + issuer{hs256.method, rs256.pem(f)}.token(),
		"Bearer " + issuer{hs256.method, []byte{}}.token("header.kid", `"../../dev/null"`),
		"Bearer " + named("evil").token("header.jwk", `{"kty":"OKP"}`, "header.jku", `"https://evil.example/"`),
		"Bearer " + hs256.raw(`{"alg":"HS256","alg":"none"}`, `{"exp":1e400,"exp":-1}`),
		"Bearer " + hs256.raw(`{"alg":"HS256"`, "\xff"),
	} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		who, err := auth.Authenticate(r)
		require.NotErrorIs(t, err, webhook.ErrUnavailable)
		if err != nil {
			require.Zero(t, who)
			return
		}
		scheme, token, _ := strings.Cut(header, " ")
		require.True(t, strings.EqualFold(scheme, "Bearer"))
		want, ours := principals[token[:strings.LastIndex(token, ".")]]
		require.True(t, ours, "nobody has signed that")
		require.Equal(t, want, who)
	})
}

// Whatever a login signs, what we make of it is what any other reader does.
func FuzzClaims(f *testing.F) {
	const header, payload = `{"alg":"HS256"}`, `{"exp":1763813400,"merchantId":"merchant_42"}`
	for _, seed := range []string{
		`{"alg":"HS256","typ":"at+jwt","kid":"k"}`, `{"alg":"HS256","alg":"none"}`, `{"alg":"HS256","crit":["x"]}`, `{"alg":"HS256","kid":""}`, `[]`, ``,
	} {
		f.Add(seed, payload)
	}
	for _, seed := range []string{
		`{"exp":1763813400,"merchantId":"merchant_42","scope":"webhooks:read"}`, `{"exp":1763813400,"merchantId":"\u006d","scp":["x"]}`,
		`{"exp":1763813400.5,"merchantId":"m"}`, `{"exp":1e400,"merchantId":"m"}`, `{"exp":-1,"iat":"x","nbf":{},"aud":[1],"iss":[]}`,
		`{"exp":1763813400,"merchantId":"m","merchantId":"n"}`, `{"exp":1763813400,"scope":"ops"}`, `null`, ``, "{\"x\":\"\xff\"}",
	} {
		f.Add(header, seed)
	}
	auth := newAuth(f, secrets(f), jwtauth.Options{AdminScope: "ops"})
	f.Fuzz(func(t *testing.T, header, payload string) {
		who, err := auth.Verify(t.Context(), hs256.raw(header, payload))
		if err != nil {
			require.ErrorIs(t, err, webhook.ErrInvalidToken)
			require.Zero(t, who)
			return
		}
		var h, c map[string]any
		require.NoError(t, json.Unmarshal([]byte(header), &h))
		require.NoError(t, json.Unmarshal([]byte(payload), &c))
		require.Equal(t, "HS256", h["alg"])
		require.NotContains(t, h, "crit")
		require.Greater(t, c["exp"], float64(noon-30))
		if who.AnyMerchant {
			require.Empty(t, who.MerchantID)
			return
		}
		require.Equal(t, c["merchantId"], who.MerchantID)
		_, scope := c["scope"]
		_, scp := c["scp"]
		require.Equal(t, scope || scp, who.Scopes != nil)
	})
}
