package jwtauth_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

// notTimes are no times in whole seconds.
func notTimes() []string {
	return []string{
		`"1763813400"`, `"soon"`, `""`, "null", "true", "[1763813400]", `{"t":1763813400}`, "1763813400.5", "1763813400.0", "1.7638134e9",
		"1763813400e0", "1e400", "-1e400", "-1", "-0", "-1763813400", "9223372036854775807", "9223372036854775808",
		"18446744073709551616", "253402300800", "1763813400000", "1e9", "99999999999999999999999999",
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for leeway, effective := range map[time.Duration]int{0: 30, time.Second: 1, time.Minute: 60} {
		auth := newAuth(t, secrets(t), jwtauth.Options{Leeway: leeway})
		for _, c := range []struct {
			claim string
			at    int
			good  bool
		}{
			{"exp", 1, true},
			{"exp", 0, true},
			{"exp", -effective + 1, true},
			{"exp", -effective, false},
			{"exp", -3600, false},
			{"exp", -noon, false},
			{"exp", 10 * 365 * 86400, true},
			{"nbf", 0, true},
			{"nbf", -noon, true},
			{"nbf", effective, true},
			{"nbf", effective + 1, false},
			{"nbf", 3600, false},
			{"iat", 0, true},
			{"iat", -noon, true},
			{"iat", effective, true},
			{"iat", effective + 1, false},
			{"iat", 3600, false},
		} {
			token := hs256.token(c.claim, in(c.at))
			if c.good {
				accept(t, auth, token)
			} else {
				refuse(t, auth, token)
			}
		}
	}
	auth := newAuth(t, secrets(t), jwtauth.Options{})
	require.Contains(t, refuse(t, auth, hs256.token("exp", "")), "exp claim is required")
	for _, claim := range []string{"exp", "nbf", "iat"} {
		for _, value := range notTimes() {
			refuse(t, auth, hs256.token(claim, value))
		}
	}
	accept(t, auth, hs256.token("exp", "253402300799"))
	accept(t, auth, hs256.token("nbf", "0", "iat", "0"))
}

func TestTimeDefaultsToTheClock(t *testing.T) {
	t.Parallel()
	auth, err := jwtauth.New(secrets(t), nil)
	require.NoError(t, err)
	at := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	accept(t, auth, hs256.token("exp", at(time.Minute)))
	refuse(t, auth, hs256.token("exp", at(-time.Minute)))
	refuse(t, auth, hs256.token("exp", at(time.Hour), "nbf", at(time.Minute)))
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	const us = "https://login.example.com/"
	auth := newAuth(t, secrets(t), jwtauth.Options{Issuer: us})
	accept(t, auth, hs256.token("iss", strconv.Quote(us)))
	for _, iss := range []string{
		"", `""`, "null", "1", "true", `["` + us + `"]`, `{"iss":"` + us + `"}`, `"https://login.example.com"`, `"https://login.example.com//"`,
		`"HTTPS://LOGIN.EXAMPLE.COM/"`, `"https://login.example.com/x"`, `"https://evil.example/"`, `" ` + us + `"`, `"` + us + `\u0000"`,
	} {
		refuse(t, auth, hs256.token("iss", iss))
	}
	anybody := newAuth(t, secrets(t), jwtauth.Options{})
	accept(t, anybody, hs256.token("iss", `"https://evil.example/"`))
	refuse(t, anybody, hs256.token("iss", "1"))
}

func TestAudience(t *testing.T) {
	t.Parallel()
	auth := newAuth(t, secrets(t), jwtauth.Options{Audience: []string{"api", "https://api.example.com"}})
	for _, aud := range []string{`"api"`, `["api"]`, `["x","api"]`, `["https://api.example.com","y"]`, `["api","api"]`} {
		accept(t, auth, hs256.token("aud", aud))
	}
	for _, aud := range []string{
		"", `""`, "null", "[]", `[""]`, `"x"`, `["x","y"]`, `"api https://api.example.com"`, `"API"`, `"ap"`, `"apis"`, "1", "true",
		`{"aud":"api"}`, `["api",1]`, `[["api"]]`, `["api",null]`, `"api\u0000"`, `" api"`,
	} {
		refuse(t, auth, hs256.token("aud", aud))
	}
	anybody := newAuth(t, secrets(t), jwtauth.Options{})
	accept(t, anybody, hs256.token("aud", `"x"`))
	refuse(t, anybody, hs256.token("aud", "1"))
}

func TestMerchant(t *testing.T) {
	t.Parallel()
	for _, claim := range []string{"", "sub", "https://example.com/merchant", "a b"} {
		auth := newAuth(t, secrets(t), jwtauth.Options{MerchantClaim: claim})
		if claim == "" {
			claim = "merchantId"
		} else {
			refuse(t, auth, hs256.token()) // It holds merchantId only.
		}
		for _, good := range []string{merchant, "m", "user@example.com", "a.b", strings.Repeat("m", 128)} {
			who, err := auth.Verify(t.Context(), hs256.token("merchantId", "", claim, strconv.Quote(good)))
			require.NoError(t, err)
			who.Subject = ""
			require.Equal(t, webhook.Principal{MerchantID: good}, who)
		}
		for _, bad := range []string{
			"", `""`, "null", "42", "4.2", "true", `["merchant_42"]`, `[]`, `{"id":"merchant_42"}`, `"."`, `".."`, `"a/b"`, `"../x"`,
			`"merchant 42"`, `" merchant_42"`, `"merchant_42\n"`, `"merchant_42\u0000"`, `"*"`, `"é"`, `"%2e"`, `"m,n"`,
			strconv.Quote(strings.Repeat("m", 129)),
		} {
			refuse(t, auth, hs256.token("merchantId", "", claim, bad))
		}
	}
}

// The claim sub says who makes a change. One that is not a string says nothing.
func TestSubject(t *testing.T) {
	t.Parallel()
	auth := newAuth(t, secrets(t), jwtauth.Options{AdminScope: "admin"})
	for claim, want := range map[string]string{"": "", `"ada@example.com"`: "ada@example.com", "42": "", "null": "", `["ada"]`: ""} {
		for _, scope := range []string{"", `"admin"`} {
			who, err := auth.Verify(t.Context(), hs256.token("sub", claim, "scope", scope))
			require.NoError(t, err)
			require.Equal(t, want, who.Subject)
			require.Equal(t, scope != "", who.AnyMerchant)
		}
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	const read, write = webhook.ScopeRead, webhook.ScopeWrite
	none := []string{}
	for name, c := range map[string]struct {
		o       jwtauth.Options
		changes []string
		want    []string // nil: everything
	}{
		"no claim":                  {want: nil},
		"no claim but required":     {o: jwtauth.Options{RequireScope: true}, want: none},
		"a string":                  {changes: []string{"scope", `"` + read + `"`}, want: []string{read}},
		"two":                       {changes: []string{"scope", `"` + read + " " + write + `"`}, want: []string{read, write}},
		"others":                    {changes: []string{"scope", `"openid profile"`}, want: []string{"openid", "profile"}},
		"empty":                     {changes: []string{"scope", `""`}, want: []string{""}},
		"an array":                  {changes: []string{"scope", `["` + read + `","x"]`}, want: []string{read, "x"}},
		"an empty array":            {changes: []string{"scope", `[]`}, want: none},
		"scp, an array":             {changes: []string{"scp", `["` + write + `"]`}, want: []string{write}},
		"scp, a string":             {changes: []string{"scp", `"` + write + `"`}, want: []string{write}},
		"scope before scp":          {changes: []string{"scope", `"` + read + `"`, "scp", `["` + write + `"]`}, want: []string{read}},
		"an empty scope before scp": {changes: []string{"scope", `[]`, "scp", `["` + write + `"]`}, want: none},
		"other spaces":              {changes: []string{"scope", `"` + read + `\t` + write + `\u00a0"`}, want: []string{read + "\t" + write + "\u00a0"}},
		"own name":                  {o: jwtauth.Options{ScopeClaim: "permissions"}, changes: []string{"permissions", `["` + read + `"]`}, want: []string{read}},
		"own name only":             {o: jwtauth.Options{ScopeClaim: "permissions"}, changes: []string{"scope", `"x"`}, want: nil},
		"required and there":        {o: jwtauth.Options{RequireScope: true}, changes: []string{"scope", `"` + read + `"`}, want: []string{read}},
		"an operator's, unset":      {changes: []string{"scope", `"webhooks:admin"`}, want: []string{"webhooks:admin"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who := accept(t, newAuth(t, secrets(t), c.o), hs256.token(c.changes...))
			require.Equal(t, c.want, who.Scopes)
			require.False(t, who.AnyMerchant)
		})
	}
	// A malformed scope must not count as a missing one, which allows everything.
	auth := newAuth(t, secrets(t), jwtauth.Options{AdminScope: "admin"})
	for _, claim := range []string{"scope", "scp"} {
		for _, value := range []string{"null", "1", "true", "{}", `{"webhooks:read":true}`, "[1]", "[null]", `["a",["b"]]`, `[{"s":"a"}]`, `["admin",1]`} {
			refuse(t, auth, hs256.token(claim, value))
		}
	}
}

func TestAdminScope(t *testing.T) {
	t.Parallel()
	auth := newAuth(t, secrets(t), jwtauth.Options{AdminScope: "webhooks:admin"})
	operator := webhook.Principal{AnyMerchant: true}
	for _, changes := range [][]string{
		{"scope", `"webhooks:admin"`},
		{"scope", `"openid webhooks:admin webhooks:read"`},
		{"scp", `["webhooks:admin"]`},
		{"scope", `"webhooks:admin"`, "merchantId", ""},
		{"scope", `"webhooks:admin"`, "merchantId", "7"},
	} {
		who, err := auth.Verify(t.Context(), hs256.token(changes...))
		require.NoError(t, err)
		require.Equal(t, operator, who)
	}
	for _, scope := range []string{"webhooks:admins", "webhooks", "Webhooks:Admin", "webhooks:admin,x", ""} {
		who := accept(t, auth, hs256.token("scope", strconv.Quote(scope)))
		require.False(t, who.AnyMerchant)
		refuse(t, auth, hs256.token("scope", strconv.Quote(scope), "merchantId", ""))
	}
	require.False(t, accept(t, auth, hs256.token()).AnyMerchant)
	refuse(t, auth, hs256.token("scope", `"webhooks:admin"`, "exp", ""))
	refuse(t, auth, issuer{hs256.method, []byte(strings.Repeat("x", 32))}.token("scope", `"webhooks:admin"`))
}

func TestNewListsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := jwtauth.New(nil, &jwtauth.Options{
		Leeway: 61 * time.Second, Algorithms: []string{"none", "hs256"}, Audience: []string{"a", ""}, AdminScope: "a b",
	})
	for _, part := range []string{"keys are nil", "leeway", `"none"`, `"hs256"`, "audience", "AdminScope"} {
		require.ErrorContains(t, err, part)
	}
	for _, keys := range []jwtauth.Keys{(*jwtauth.Set)(nil), (*jwtauth.Remote)(nil), &jwtauth.Set{}} {
		_, err = jwtauth.New(keys, nil)
		require.Error(t, err)
	}
	for _, o := range []jwtauth.Options{{Leeway: -1}, {AdminScope: webhook.ScopeRead}, {AdminScope: webhook.ScopeWrite}} {
		_, err = jwtauth.New(secrets(t), &o)
		require.Error(t, err)
	}
	o := &jwtauth.Options{Audience: []string{"a"}, Algorithms: []string{"HS256"}, Now: atNoon}
	auth, err := jwtauth.New(secrets(t), o)
	require.NoError(t, err)
	o.Audience[0], o.Algorithms[0] = "b", "RS256" // New has copied them.
	accept(t, auth, hs256.token("aud", `"a"`))
}

// A login publishes its keys for many services.
func TestKeysOfAURLNeedAnAudience(t *testing.T) {
	t.Parallel()
	remote, err := jwtauth.NewRemote(jwksURL, nil)
	require.NoError(t, err)
	for _, o := range []*jwtauth.Options{nil, {}, {RequireScope: true}} {
		_, err := jwtauth.New(remote, o)
		require.ErrorContains(t, err, "need an Issuer or an Audience")
	}
	for _, o := range []jwtauth.Options{{Issuer: "https://login.example.com"}, {Audience: []string{"a"}}, {InsecureAnyAudience: true}} {
		_, err := jwtauth.New(remote, &o)
		require.NoError(t, err)
	}
	_, err = jwtauth.New(secrets(t), nil)
	require.NoError(t, err, "a secret is shared by two")
}
