package jwtauth_test

import (
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

// BenchmarkAuthenticate checks a usual token. The bare parser of golang-jwt beside
// it checks the same signature and times, and nothing else.
func BenchmarkAuthenticate(b *testing.B) {
	for _, i := range []issuer{hs256, es256} {
		claims := []string{"iss", `"https://login.example.com/"`, "aud", `["api"]`, "iat", in(0), "scope", `"webhooks:read webhooks:write"`}
		token := i.token(claims...)
		b.Run(i.method.Alg(), func(b *testing.B) {
			auth := newAuth(b, parseJWKS(b, i.jwk(nil)), jwtauth.Options{Issuer: "https://login.example.com/", Audience: []string{"api"}})
			r := &http.Request{Header: http.Header{"Authorization": {"Bearer " + token}}}
			b.ReportAllocs()
			for b.Loop() {
				_, err := auth.Authenticate(r)
				require.NoError(b, err)
			}
		})
		b.Run(i.method.Alg()+"/bare", func(b *testing.B) {
			parser := jwt.NewParser(jwt.WithValidMethods([]string{i.method.Alg()}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(atNoon))
			b.ReportAllocs()
			for b.Loop() {
				_, err := parser.Parse(token, func(*jwt.Token) (any, error) { return i.public(), nil })
				require.NoError(b, err)
			}
		})
	}
}
