package jwtauth_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

func TestSecretsAreLongEnough(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 16, 31} {
		_, err := jwtauth.Secrets(make([]byte, n))
		require.ErrorContains(t, err, "32 bytes")
		_, err = jwtauth.Secrets([]byte(secret), make([]byte, n))
		require.ErrorContains(t, err, "secrets[1]")
	}
	_, err := jwtauth.Secrets()
	require.Error(t, err)
	_, err = jwtauth.Secrets(nil)
	require.Error(t, err)

	given := []byte(secret)
	set, err := jwtauth.Secrets(given)
	require.NoError(t, err)
	clear(given) // Secrets has copied it.
	accept(t, newAuth(t, set, jwtauth.Options{}), hs256.token())
}

func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	set := secrets(t)
	auth := newAuth(t, set, jwtauth.Options{})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{set, auth, []any{set}, struct{ S *jwtauth.Set }{set}} {
			out := fmt.Sprintf(verb, v)
			for _, form := range []string{secret, fmt.Sprintf("%x", secret), strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]")[:20], "0x30, 0x31"} {
				require.NotContains(t, out, form)
			}
		}
	}
	out, err := json.Marshal(map[string]any{"set": set})
	require.NoError(t, err)
	require.Equal(t, `{"set":{}}`, string(out))
}

// certificate is one that i signs for itself, long expired.
func certificate(t *testing.T, i issuer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, i.public(), i.key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestPEM(t *testing.T) {
	t.Parallel()
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)})
	for name, c := range map[string]struct {
		text []byte
		of   issuer
	}{
		"RSA":                 {rs256.pem(t), rs256},
		"EC":                  {es256.pem(t), es256},
		"Ed25519":             {eddsa.pem(t), eddsa},
		"RSA, PKCS 1":         {pkcs1, ps256},
		"RSA certificate":     {certificate(t, rs256), rs256},
		"EC certificate":      {certificate(t, es256), es256},
		"Ed25519 certificate": {certificate(t, eddsa), eddsa},
		"text before":         {append([]byte("our login, 2026\n\n"), es256.pem(t)...), es256},
		"space after":         {append(es256.pem(t), " \n\n"...), es256},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := jwtauth.ParsePEM(c.text)
			require.NoError(t, err)
			auth := newAuth(t, set, jwtauth.Options{})
			accept(t, auth, c.of.token())
			accept(t, auth, c.of.token("header.kid", `"its id at the login"`))
			refuse(t, auth, hs256.token())
		})
	}
	several := newAuth(t, parsePEM(t, rs256, es256, eddsa), jwtauth.Options{})
	for _, i := range []issuer{rs256, ps256, es256, eddsa} {
		accept(t, several, i.token())
	}
}

// x25519 is a key that cannot sign.
func x25519(t *testing.T) []byte {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(k.PublicKey())
	require.NoError(t, err)
	return der
}

func TestBadPEM(t *testing.T) {
	t.Parallel()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(es256.key)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(ecKey(elliptic.P256()))
	require.NoError(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8192, 1), E: 65537}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	good := es256.pem(t)
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"nothing":             {nil, "no PEM block"},
		"text":                {[]byte("hello"), "no PEM block"},
		"DER":                 {sec1, "no PEM block"},
		"private, PKCS 8":     {block("PRIVATE KEY", pkcs8), "private key"},
		"private, SEC 1":      {block("EC PRIVATE KEY", sec1), "private key"},
		"private, PKCS 1":     {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), "private key"},
		"private, encrypted":  {block("ENCRYPTED PRIVATE KEY", []byte{1}), "private key"},
		"private beside it":   {append(es256.pem(t), block("PRIVATE KEY", pkcs8)...), "private key"},
		"request":             {block("CERTIFICATE REQUEST", []byte{1}), "neither"},
		"parameters":          {block("EC PARAMETERS", []byte{1}), "neither"},
		"not what it says":    {block("PUBLIC KEY", []byte("x")), "PEM block 0"},
		"cut":                 {good[:len(good)-20], "no PEM block"},
		"second one cut":      {append(rs256.pem(t), good[:len(good)-20]...), "followed by"},
		"weak":                {issuer{rs256.method, weak}.pem(t), "1024 bits"},
		"huge":                {issuer{rs256.method, huge}.pem(t), "8193 bits"},
		"exponent 1":          {issuer{rs256.method, &rsa.PublicKey{N: rsaKey().N, E: 1}}.pem(t), "exponent"},
		"even exponent":       {issuer{rs256.method, &rsa.PublicKey{N: rsaKey().N, E: 65536}}.pem(t), "exponent"},
		"other curve":         {issuer{es256.method, p224}.pem(t), "curve"},
		"for a key agreement": {block("PUBLIC KEY", x25519(t)), "type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := jwtauth.ParsePEM(c.text)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), b64(pkcs8)[:20])
		})
	}
}

func TestJWKSet(t *testing.T) {
	t.Parallel()
	with := func(more map[string]any) map[string]any { return es256.jwk(more) }
	x := fmt.Sprint(with(nil)["x"])
	for name, c := range map[string]struct {
		set  map[string]any
		good bool
	}{
		"plain":              {with(nil), true},
		"for signatures":     {with(map[string]any{"use": "sig", "key_ops": []string{"verify"}, "alg": "ES256", "kid": "k"}), true},
		"more operations":    {with(map[string]any{"key_ops": []string{"sign", "verify"}}), true},
		"certificates":       {with(map[string]any{"x5c": []string{"MII!"}, "x5t": "x", "x5u": "http://evil.example/"}), true},
		"unknown members":    {with(map[string]any{"issuer": "x", "exp": 1, "nested": map[string]any{"a": []int{1}}}), true},
		"for encryption":     {with(map[string]any{"use": "enc"}), false},
		"for something":      {with(map[string]any{"use": "SIG"}), false},
		"to sign only":       {with(map[string]any{"key_ops": []string{"sign"}}), false},
		"for nothing":        {with(map[string]any{"key_ops": []string{}}), false},
		"operations, a text": {with(map[string]any{"key_ops": "verify"}), false},
		"other algorithm":    {with(map[string]any{"alg": "ES384"}), false},
		"key agreement":      {with(map[string]any{"alg": "ECDH-ES"}), false},
		"algorithm of RSA":   {with(map[string]any{"alg": "RS256"}), false},
		"algorithm of HMAC":  {with(map[string]any{"alg": "HS256"}), false},
		"alg none":           {with(map[string]any{"alg": "none"}), false},
		"unknown type":       {with(map[string]any{"kty": "XX"}), false},
		"type in lower case": {with(map[string]any{"kty": "ec"}), false},
		"unknown curve":      {with(map[string]any{"crv": "secp256k1"}), false},
		"curve of another":   {with(map[string]any{"crv": "P-384"}), false},
		"private":            {with(map[string]any{"d": b64([]byte("x"))}), false},
		"not on the curve":   {with(map[string]any{"y": b64(bytes.Repeat([]byte{7}, 32))}), false},
		"short coordinate":   {with(map[string]any{"x": b64(bytes.Repeat([]byte{7}, 31))}), false},
		"long coordinate":    {with(map[string]any{"x": b64(append([]byte{0}, number(x).Bytes()...))}), false},
		"no coordinate":      {with(map[string]any{"x": nil}), false},
		"spelled otherwise":  {with(map[string]any{"x": withOtherBits(x)}), false},
		"padding":            {with(map[string]any{"x": x + "="}), false},
		"kid a number":       {with(map[string]any{"kid": 1}), false},
		"use a number":       {with(map[string]any{"use": 1}), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := jwtauth.ParseJWKS(document(c.set))
			if !c.good {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			accept(t, newAuth(t, set, jwtauth.Options{}), es256.token())
			refuse(t, newAuth(t, set, jwtauth.Options{}), rs256.token())
		})
	}
}

// What is for other purposes is left out, what is faulty is not.
func TestJWKSetOfMany(t *testing.T) {
	t.Parallel()
	others := []map[string]any{
		rs256.jwk(map[string]any{"use": "enc", "alg": "RSA-OAEP"}),
		{"kty": "OKP", "crv": "X25519", "x": b64(make([]byte, 32))},
		{"kty": "OKP", "crv": "Ed448", "x": b64(make([]byte, 57))},
		{"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"},
	}
	auth := newAuth(t, parseJWKS(t, append(others, es256.jwk(nil))...), jwtauth.Options{})
	accept(t, auth, es256.token())
	refuse(t, auth, rs256.token())
	_, err := jwtauth.ParseJWKS(document(others...))
	require.ErrorContains(t, err, "no key that verifies")

	for name, bad := range map[string]map[string]any{
		"RSA of 1024 bits": {"kty": "RSA", "n": b64(bytes.Repeat([]byte{0xff}, 128)), "e": "AQAB"},
		"even modulus":     {"kty": "RSA", "n": b64(new(big.Int).Add(rsaKey().N, big.NewInt(1)).Bytes()), "e": "AQAB"},
		"exponent 1":       rs256.jwk(map[string]any{"e": "AQ"}),
		"even exponent":    rs256.jwk(map[string]any{"e": "AQAA"}),
		"huge exponent":    rs256.jwk(map[string]any{"e": b64([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})}),
		"no modulus":       rs256.jwk(map[string]any{"n": nil}),
		"no exponent":      rs256.jwk(map[string]any{"e": ""}),
		"private RSA":      rs256.jwk(map[string]any{"d": "AQAB"}),
		"private Ed25519":  eddsa.jwk(map[string]any{"d": "AQAB"}),
		"Ed25519 too long": eddsa.jwk(map[string]any{"x": b64(make([]byte, 33))}),
		"short secret":     {"kty": "oct", "k": b64(make([]byte, 31))},
		"short for HS384":  {"kty": "oct", "alg": "HS384", "k": b64(make([]byte, 47))},
		"short for HS512":  {"kty": "oct", "alg": "HS512", "k": b64(make([]byte, 63))},
		"no secret":        {"kty": "oct"},
		"no type, a kid":   {"kty": 1, "kid": "k"},
	} {
		_, err := jwtauth.ParseJWKS(document(es256.jwk(nil), bad))
		require.ErrorContains(t, err, "keys[1]", name)
	}
	_, err = jwtauth.ParseJWKS([]byte(`{"keys":[` + strings.TrimSuffix(strings.TrimPrefix(string(document(es256.jwk(nil))), `{"keys":[`), `]}`) + `,1]}`))
	require.ErrorContains(t, err, "keys[1] is not an object")
}

func TestBadDocuments(t *testing.T) {
	t.Parallel()
	good := string(document(es256.jwk(nil)))
	many := make([]map[string]any, 65)
	for i := range many {
		many[i] = es256.jwk(map[string]any{"kid": fmt.Sprint(i)})
	}
	_, err := jwtauth.ParseJWKS(document(many[1:]...))
	require.NoError(t, err)
	for _, text := range []string{
		"", "null", "[]", `"x"`, "1", "{}", `{"keys":null}`, `{"keys":{}}`, `{"keys":"x"}`, `{"keys":[]}`, `{"keys":[null]}`, `{"keys":[[]]}`,
		`{"Keys":[]}`, "<html>", good + "x", good + good, good[:len(good)-1], good[1:], "\ufeff" + good, "\xff",
		strings.Replace(good, `{"keys":`, `{"keys":[],"keys":`, 1), strings.Replace(good, `"kty":"EC"`, `"kty":"oct","kty":"EC"`, 1),
		string(document(many...)), strings.Repeat(" ", 256<<10) + good,
		`{"keys":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`,
	} {
		_, err := jwtauth.ParseJWKS([]byte(text))
		require.Error(t, err, "%.100s", text)
	}
}

// A secret in a JWK Set may have any of the three algorithms, HS256 if it says
// nothing.
func TestSecretsInJWKSet(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("s"), 64)
	methods := []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512}
	for _, alg := range []string{"", "HS256", "HS384", "HS512"} {
		k := map[string]any{"kty": "oct", "k": b64(long)}
		if alg != "" {
			maps.Copy(k, map[string]any{"alg": alg})
		}
		auth := newAuth(t, parseJWKS(t, k), jwtauth.Options{})
		for _, m := range methods {
			if m.Alg() == alg || alg == "" && m.Alg() == "HS256" {
				accept(t, auth, issuer{m, long}.token())
			} else {
				refuse(t, auth, issuer{m, long}.token())
			}
		}
	}
	_, err := jwtauth.ParseJWKS(document(map[string]any{"kty": "oct", "k": b64(long), "alg": "A256KW"}))
	require.Error(t, err)
}
