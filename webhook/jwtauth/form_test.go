package jwtauth_test

import (
	"crypto/ecdsa"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

// respelled returns other texts that a careless reader of base64 takes for s.
func respelled(s string) []string {
	out := []string{s + "=", s + "==", "=" + s, s + "\n", s + "\r\n", "\n" + s, s[:4] + "\n" + s[4:], s + " ", " " + s, s + "\t", s + "%3D", s + "\x00"}
	if len(s)%4 != 0 {
		out = append(out, withOtherBits(s))
	}
	if strings.ContainsAny(s, "-_") {
		out = append(out, strings.NewReplacer("-", "+", "_", "/").Replace(s))
	}
	return out
}

// withOtherBits changes the bits of the last digit that mean nothing.
func withOtherBits(s string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(digits, s[len(s)-1])
	return s[:len(s)-1] + string(digits[last^1])
}

func TestForm(t *testing.T) {
	t.Parallel()
	auth := newAuth(t, secrets(t), jwtauth.Options{})
	// The payloads make for segments with every remainder, and with - and _.
	for _, filler := range []string{"", "x", "xx", "???>>>", "ÿÿÿ~~~"} {
		token := hs256.token("x", `"`+filler+`"`)
		accept(t, auth, token)
		parts := strings.Split(token, ".")
		for i := range parts {
			for _, other := range respelled(parts[i]) {
				changed := append([]string{}, parts...)
				changed[i] = other
				refuse(t, auth, strings.Join(changed, "."))
				if i < 2 {
					refuse(t, auth, hs256.sign(changed[0]+"."+changed[1]))
				}
			}
			changed := append([]string{}, parts...)
			changed[i] = ""
			refuse(t, auth, strings.Join(changed, "."))
		}
		for _, form := range []string{
			parts[0] + "." + parts[1], parts[0], "." + token, token + ".", token + ".x", token + "." + token, token + "....",
			parts[0] + ".." + parts[2] + "." + parts[1] + "." + parts[0], "Bearer " + token, token + "," + token, `"` + token + `"`,
			parts[1] + "." + parts[0] + "." + parts[2], strings.ToUpper(token), token + "\u200b", token + "#", token + "?x=1",
			`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		} {
			refuse(t, auth, form)
		}
	}
	for _, form := range []string{"", ".", "..", "...", "a.b.c", "null", "undefined"} {
		refuse(t, auth, form)
	}
	for _, long := range []string{strings.Repeat(".", 1<<20), strings.Repeat("a", 1<<20)} { // CVE-2025-30204
		require.Contains(t, refuse(t, auth, long), "longer than")
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	auth := newAuth(t, secrets(t), jwtauth.Options{})
	long := func(n int) string { return hs256.token("x", `"`+strings.Repeat("x", n)+`"`) }
	n := 6000 - len(long(0))*3/4
	for len(long(n)) < 8<<10 {
		n++
	}
	token := long(n)
	for len(token) > 8<<10 {
		n--
		token = long(n)
	}
	require.GreaterOrEqual(t, len(token), 8<<10-1)
	accept(t, auth, token)
	require.Contains(t, refuse(t, auth, long(n+4)), "longer than")
}

func TestPayload(t *testing.T) {
	t.Parallel()
	auth := newAuth(t, secrets(t), jwtauth.Options{})
	const header, rest = `{"alg":"HS256"}`, `"merchantId":"merchant_42","exp":1763813400`
	accept(t, auth, hs256.raw(header, `{`+rest+`}`))
	accept(t, auth, hs256.raw(header, `{"\u006derchantId":"merchant\u005f42","exp":1763813400}`))
	for name, payload := range map[string]string{
		"a token":                   hs256.token(),
		"a token as a string":       `"` + hs256.token() + `"`,
		"null":                      `null`,
		"array":                     `[{` + rest + `}]`,
		"string":                    `"x"`,
		"number":                    `1`,
		"nothing":                   ``,
		"empty object":              `{}`,
		"cut":                       `{` + rest,
		"more":                      `{` + rest + `}{}`,
		"trailing comma":            `{` + rest + `,}`,
		"exp twice":                 `{` + rest + `,"exp":1763813401}`,
		"merchant twice":            `{` + rest + `,"merchantId":"merchant_43"}`,
		"merchant twice, the same":  `{` + rest + `,"merchantId":"merchant_42"}`,
		"merchant twice, escaped":   `{` + rest + `,"\u006derchantId":"merchant_43"}`,
		"unknown claim twice":       `{` + rest + `,"x":1,"x":1}`,
		"twice further down":        `{` + rest + `,"x":{"y":1,"y":2}}`,
		"merchant in other letters": `{"merchantID":"merchant_42","MERCHANTID":"merchant_42","exp":1763813400}`,
		"exp in other letters":      `{"merchantId":"merchant_42","Exp":1763813400}`,
		"invalid UTF-8":             `{` + rest + `,"x":"` + "\xff" + `"}`,
		"half a surrogate pair":     `{` + rest + `,"x":"\ud800"}`,
		"byte order mark":           "\ufeff{" + rest + `}`,
		"deep":                      `{` + rest + `,"x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`,
		"huge number":               `{` + rest + `,"x":1e400}`,
		"single quotes":             `{'merchantId':'merchant_42','exp':1763813400}`,
		"NaN":                       `{` + rest + `,"x":NaN}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuse(t, auth, hs256.raw(header, payload))
		})
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	for alg, i := range issuers() {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			auth := newAuth(t, parseJWKS(t, i.jwk(nil)), jwtauth.Options{})
			token := i.token()
			accept(t, auth, token)
			cut := strings.LastIndex(token, ".") + 1
			input, text := token[:cut], token[cut:]
			sig, err := base64.RawURLEncoding.DecodeString(text)
			require.NoError(t, err)
			var bad [][]byte
			for bit := range len(sig) * 8 {
				if len(sig) > 80 && bit%37 != 0 {
					continue // RSA is slow.
				}
				flipped := append([]byte{}, sig...)
				flipped[bit/8] ^= 1 << (bit % 8)
				bad = append(bad, flipped)
			}
			zeros := make([]byte, len(sig))
			ones := append(make([]byte, len(sig)-1), 1)
			bad = append(bad, nil, []byte{0}, sig[1:], sig[:len(sig)-1], append([]byte{0}, sig...), append(append([]byte{}, sig...), 0),
				append(append([]byte{}, sig...), sig...), sig[:len(sig)/2], zeros, ones, []byte(input))
			for _, s := range bad {
				refuse(t, auth, input+b64(s))
			}
			// Anything else under a good signature.
			parts := strings.Split(token, ".")
			refuse(t, auth, parts[0]+"."+b64([]byte(`{"exp":1763813400,"merchantId":"merchant_43"}`))+"."+parts[2])
			refuse(t, auth, b64([]byte(`{"alg":"`+alg+`"}`))+"."+parts[1]+"."+parts[2])
		})
	}
}

// Numbers that satisfy the equation of ECDSA for a verifier that does not look at
// their range, and other ways to write a pair.
func TestSpecialECDSASignatures(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "ES384", "ES512"} {
		i := issuers()[alg]
		auth := newAuth(t, parsePEM(t, i), jwtauth.Options{})
		token := i.token()
		input := token[:strings.LastIndex(token, ".")+1]
		public, ok := i.public().(*ecdsa.PublicKey)
		require.True(t, ok)
		curve := public.Params()
		size := (curve.BitSize + 7) / 8
		zero, one, n := new(big.Int), big.NewInt(1), curve.N
		values := []*big.Int{zero, one, n, new(big.Int).Add(n, one), new(big.Int).Sub(n, one), new(big.Int).Sub(curve.P, n)}
		for _, r := range values {
			for _, s := range values {
				refuse(t, auth, input+b64(append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)))
			}
		}
		sig, err := base64.RawURLEncoding.DecodeString(token[len(input):])
		require.NoError(t, err)
		der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:size]), new(big.Int).SetBytes(sig[size:])})
		require.NoError(t, err)
		refuse(t, auth, input+b64(der))
		padded := append(append(make([]byte, 1), sig[:size]...), append(make([]byte, 1), sig[size:]...)...)
		refuse(t, auth, input+b64(padded))
	}
}

// The reason is the signature, whatever else is wrong: nobody may take an expired
// token for one of ours (CVE-2024-51744).
func TestSignatureComesFirst(t *testing.T) {
	t.Parallel()
	auth := newAuth(t, secrets(t), jwtauth.Options{Issuer: "us"})
	forged := issuer{hs256.method, []byte(strings.Repeat("x", 32))}
	for _, changes := range [][]string{{"exp", in(-3600)}, {"exp", ""}, {"iss", `"them"`}, {"merchantId", ""}} {
		reason := refuse(t, auth, forged.token(changes...))
		require.Contains(t, reason, "signature is invalid")
		for _, word := range []string{"expired", "claim", "issuer"} {
			require.NotContains(t, reason, word)
		}
	}
	require.Contains(t, refuse(t, auth, hs256.token("exp", in(-3600), "iss", `"us"`)), "expired")
}
