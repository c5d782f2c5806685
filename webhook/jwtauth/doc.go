// Package jwtauth authenticates requests to the management API by JSON Web Tokens
// (RFC 7519) that come as bearer tokens (RFC 6750).
//
//	keys, err := jwtauth.NewRemote("https://login.example.com/.well-known/jwks.json", nil)
//	go keys.Run(ctx)
//	auth, err := jwtauth.New(keys, &jwtauth.Options{
//		Issuer:   "https://login.example.com/",
//		Audience: []string{"https://api.example.com"},
//	})
//	h, err := api.New(svc, auth.Authenticate, nil)
//
// Keys come from [Secrets], [ParsePEM], [ParseJWKS], or a [Remote] that fetches a
// JWK Set again and again. Set an issuer or an audience, better both: otherwise
// every token that these keys have signed opens the API, for whatever service it
// was made.
//
// # What a token needs
//
// One of HS256, RS256, PS256, ES256, their relatives with 384 and 512, or EdDSA; a
// claim exp; and a claim merchantId, which names the merchant:
//
//	{"iss": "https://login.example.com/", "aud": "https://api.example.com", "exp": 1763812800,
//	 "merchantId": "merchant_42", "scope": "webhooks:read webhooks:write"}
//
// The claim scope, a string (RFC 8693, section 4.2) or an array of strings, holds
// the token to [webhook.ScopeRead] or [webhook.ScopeWrite]. A token without that
// claim may do everything for its merchant, unless [Options.RequireScope] is set. The
// claim sub, if it is a string, says who makes a change: see [webhook.Service.Changes].
//
// # What is refused
//
// A key fixes the algorithms that it verifies, and never those of another kind of
// key. A token never brings its own: one with jku, jwk, x5u or x5c in its header is
// refused, and so is one with crit, or with a typ other than JWT or at+jwt. Header
// and claims are read strictly: no name twice, base64url in its one form, dates
// in whole seconds. Only the header Authorization counts, and only if there is one.
//
// All of that is answered with the same 401. The error says why and holds nothing
// of the token but names of claims; [api.Options.Logger] gets it at
// debug level.
package jwtauth
