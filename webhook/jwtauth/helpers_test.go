package jwtauth_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	merchant = "merchant_42"
	secret   = "0123456789abcdef0123456789abcdef"
	noon     = 1763812800
)

func atNoon() time.Time { return time.Unix(noon, 0) }

// in is a time that many seconds after noon, as claims have it.
func in(seconds int) string { return strconv.Itoa(noon + seconds) }

// issuer signs tokens, good and bad.
type issuer struct {
	method jwt.SigningMethod
	key    any
}

// The keys are the same in every run and every process.
var (
	hs256 = issuer{jwt.SigningMethodHS256, []byte(secret)}
	rs256 = issuer{jwt.SigningMethodRS256, rsaKey()}
	ps256 = issuer{jwt.SigningMethodPS256, rsaKey()}
	es256 = issuer{jwt.SigningMethodES256, ecKey(elliptic.P256())}
	eddsa = issuer{jwt.SigningMethodEdDSA, ed25519.NewKeyFromSeed([]byte(secret))}
)

// issuers are one of each algorithm.
func issuers() map[string]issuer {
	all := map[string]issuer{}
	for _, i := range []issuer{
		hs256, rs256, ps256, es256, eddsa,
		{jwt.SigningMethodHS384, bytes.Repeat([]byte("s"), 48)},
		{jwt.SigningMethodHS512, bytes.Repeat([]byte("t"), 64)},
		{jwt.SigningMethodRS384, rsaKey()},
		{jwt.SigningMethodRS512, rsaKey()},
		{jwt.SigningMethodPS384, rsaKey()},
		{jwt.SigningMethodPS512, rsaKey()},
		{jwt.SigningMethodES384, ecKey(elliptic.P384())},
		{jwt.SigningMethodES512, ecKey(elliptic.P521())},
	} {
		all[i.method.Alg()] = i
	}
	return all
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func number(text string) *big.Int {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return new(big.Int).SetBytes(b)
}

// rsaKey is the one of RFC 7515, appendix A.2.
func rsaKey() *rsa.PrivateKey {
	k := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{E: 65537, N: number("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz" +
			"P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e" +
			"-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2et" +
			"hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ")},
		D: number("Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_" +
			"GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBju" +
			"dU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1D" +
			"hOVRuOopznQ"),
	}
	p := number("4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDc" +
		"mnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc")
	k.Primes = []*big.Int{p, new(big.Int).Div(k.N, p)}
	k.Precompute()
	return k
}

func ecKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	scalar := bytes.Repeat([]byte{1}, (curve.Params().BitSize+7)/8)
	scalar[0] = 0 // below the order of any curve
	k, err := ecdsa.ParseRawPrivateKey(curve, scalar)
	if err != nil {
		panic(err)
	}
	return k
}

// public is what verifies the issuer's tokens.
func (i issuer) public() any {
	switch k := i.key.(type) {
	case *rsa.PrivateKey:
		return k.Public()
	case *ecdsa.PrivateKey:
		return k.Public()
	case ed25519.PrivateKey:
		return k.Public()
	}
	return i.key
}

// pem is the public key as a file.
func (i issuer) pem(tb testing.TB) []byte {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(i.public())
	require.NoError(tb, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// jwk is the public key, or the secret, in a JWK Set.
func (i issuer) jwk(more map[string]any) map[string]any {
	m := map[string]any{}
	switch k := i.public().(type) {
	case []byte:
		m["kty"], m["k"], m["alg"] = "oct", b64(k), i.method.Alg()
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(k.N.Bytes()), "AQAB"
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		size := len(point) / 2
		m["kty"], m["crv"], m["x"], m["y"] = "EC", k.Params().Name, b64(point[1:1+size]), b64(point[1+size:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(k)
	}
	maps.Copy(m, more)
	return m
}

// document is a JWK Set.
func document(keys ...map[string]any) []byte {
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return text
}

// raw signs any two texts.
func (i issuer) raw(header, payload string) string {
	return i.sign(b64([]byte(header)) + "." + b64([]byte(payload)))
}

// sign adds a signature to whatever is before it.
func (i issuer) sign(input string) string {
	sig, err := i.method.Sign(input, i.key)
	if err != nil {
		panic(err)
	}
	return input + "." + b64(sig)
}

// token signs the usual claims, changed by pairs of name and JSON value; an empty
// value takes the claim away. A name "header.…" changes the header.
func (i issuer) token(changes ...string) string {
	header := map[string]string{"typ": `"JWT"`, "alg": strconv.Quote(i.method.Alg())}
	payload := map[string]string{"exp": in(600), "merchantId": strconv.Quote(merchant)}
	for c := 0; c < len(changes); c += 2 {
		name, to := changes[c], payload
		if h, ok := strings.CutPrefix(name, "header."); ok {
			name, to = h, header
		}
		if delete(to, name); changes[c+1] != "" {
			to[name] = changes[c+1]
		}
	}
	return i.raw(object(header), object(payload))
}

// object writes members as they are.
func object(members map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		out = append(out, strconv.Quote(name)+":"+members[name])
	}
	return "{" + strings.Join(out, ",") + "}"
}

// newAuth trusts keys at noon.
func newAuth(tb testing.TB, keys jwtauth.Keys, o jwtauth.Options) *jwtauth.Authenticator {
	tb.Helper()
	if o.Now == nil {
		o.Now = atNoon
	}
	auth, err := jwtauth.New(keys, &o)
	require.NoError(tb, err)
	return auth
}

// secrets is a set of the usual secret.
func secrets(tb testing.TB) *jwtauth.Set {
	tb.Helper()
	set, err := jwtauth.Secrets([]byte(secret))
	require.NoError(tb, err)
	return set
}

func parsePEM(tb testing.TB, is ...issuer) *jwtauth.Set {
	tb.Helper()
	var text []byte
	for _, i := range is {
		text = append(text, i.pem(tb)...)
	}
	set, err := jwtauth.ParsePEM(text)
	require.NoError(tb, err)
	return set
}

func parseJWKS(tb testing.TB, keys ...map[string]any) *jwtauth.Set {
	tb.Helper()
	set, err := jwtauth.ParseJWKS(document(keys...))
	require.NoError(tb, err)
	return set
}

// accept requires that a token stands for the merchant.
func accept(tb testing.TB, auth *jwtauth.Authenticator, token string) webhook.Principal {
	tb.Helper()
	who, err := auth.Verify(tb.Context(), token)
	require.NoError(tb, err)
	require.Equal(tb, merchant, who.MerchantID)
	return who
}

// refuse requires that a token is refused, and that the error does not give it
// away. It returns the reason.
func refuse(tb testing.TB, auth *jwtauth.Authenticator, token string) string {
	tb.Helper()
	who, err := auth.Verify(tb.Context(), token)
	require.ErrorIs(tb, err, webhook.ErrInvalidToken)
	require.NotErrorIs(tb, err, webhook.ErrUnavailable)
	require.Zero(tb, who)
	for part := range strings.SplitSeq(token, ".") {
		if len(part) >= 8 {
			require.NotContains(tb, err.Error(), part)
		}
	}
	return err.Error()
}
