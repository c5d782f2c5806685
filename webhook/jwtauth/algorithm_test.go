package jwtauth_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

// Every key verifies the algorithms of its kind and size, and no other token.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	rsas := []string{"PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
	kinds := map[string][]string{"ES256": {"ES256"}, "ES384": {"ES384"}, "ES512": {"ES512"}, "EdDSA": {"EdDSA"}, "RS256": rsas}
	for name, fits := range kinds {
		t.Run("PEM of "+name, func(t *testing.T) {
			t.Parallel()
			auth := newAuth(t, parsePEM(t, issuers()[name]), jwtauth.Options{})
			for alg, i := range issuers() {
				if slices.Contains(fits, alg) {
					accept(t, auth, i.token())
				} else {
					refuse(t, auth, i.token())
				}
			}
		})
	}
	for name, own := range issuers() {
		t.Run("JWK of "+name, func(t *testing.T) {
			t.Parallel()
			pinned := newAuth(t, parseJWKS(t, own.jwk(map[string]any{"alg": name})), jwtauth.Options{})
			for alg, i := range issuers() {
				if alg == name {
					accept(t, pinned, i.token())
				} else {
					refuse(t, pinned, i.token())
				}
			}
		})
	}
}

func TestOptionAlgorithms(t *testing.T) {
	t.Parallel()
	all := make([]issuer, 0, 3)
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		all = append(all, issuers()[alg])
	}
	auth := newAuth(t, parsePEM(t, all...), jwtauth.Options{Algorithms: []string{"PS256", "EdDSA"}})
	accept(t, auth, ps256.token())
	accept(t, auth, eddsa.token())
	refuse(t, auth, rs256.token())
	refuse(t, auth, es256.token())
}

// secretsFromPublic returns the forms of a public key that a careless verifier takes
// for an HMAC secret.
func secretsFromPublic(t *testing.T, i issuer) [][]byte {
	t.Helper()
	text := i.pem(t)
	block, _ := pem.Decode(text)
	jwk, err := json.Marshal(i.jwk(nil))
	require.NoError(t, err)
	out := [][]byte{text, bytes.TrimSpace(text), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")), block.Bytes, jwk, nil}
	if i.method.Alg() == "RS256" {
		der := x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)
		out = append(out, der, pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: der}), rsaKey().N.Bytes())
	}
	return out
}

// An attacker who knows the public key signs with it as if it were a secret.
func TestPublicKeyIsNoSecret(t *testing.T) {
	t.Parallel()
	for _, i := range []issuer{rs256, es256, eddsa} {
		for _, set := range []*jwtauth.Set{parsePEM(t, i), parseJWKS(t, i.jwk(nil)), parseJWKS(t, i.jwk(map[string]any{"kid": "k"}))} {
			auth := newAuth(t, set, jwtauth.Options{})
			accept(t, auth, i.token())
			for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
				for _, key := range secretsFromPublic(t, i) {
					refuse(t, auth, issuer{method, key}.token())
					refuse(t, auth, issuer{method, key}.token("header.kid", `"k"`))
					// The signature of a secret under the name of another algorithm.
					refuse(t, auth, issuer{method, key}.token("header.alg", strconv.Quote(i.method.Alg())))
				}
			}
		}
	}
}

func TestAlgorithmNames(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]*jwtauth.Authenticator{
		"secret": newAuth(t, secrets(t), jwtauth.Options{}),
		"RSA":    newAuth(t, parsePEM(t, rs256), jwtauth.Options{}),
		"EC":     newAuth(t, parsePEM(t, es256), jwtauth.Options{}),
		"all":    newAuth(t, parseJWKS(t, slices.Collect(maps.Values(jwks()))...), jwtauth.Options{}),
	} {
		for _, alg := range []string{
			`"none"`, `"None"`, `"NONE"`, `"nOnE"`, `"none "`, `""`, "", "null", "0", "true", `["HS256"]`, `["none"]`, `{}`,
			`"hs256"`, `"Hs256"`, `"HS256 "`, `" HS256"`, `"HS256\u0000"`, `"HS257"`, `"HS1"`, `"RS1"`, `"HMAC"`, `"RSA1_5"`,
			`"dir"`, `"A256KW"`, `"ES256K"`, `"ES224"`, `"Ed25519"`, `"HS256/none"`, `"*"`,
		} {
			for _, i := range []issuer{hs256, rs256, es256} {
				token := i.token("header.alg", alg)
				refuse(t, auth, token)
				refuse(t, auth, token[:strings.LastIndex(token, ".")+1])
			}
		}
		none, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{
			"exp": noon + 600, "merchantId": merchant,
		}).SignedString(jwt.UnsafeAllowNoneSignatureType)
		require.NoError(t, err)
		require.Contains(t, refuse(t, auth, none), "signing method", name)
	}
}

// jwks are all keys as JWKs.
func jwks() map[string]map[string]any {
	out := map[string]map[string]any{}
	for alg, i := range issuers() {
		out[alg] = i.jwk(map[string]any{"kid": alg, "alg": alg})
	}
	return out
}

func TestHeader(t *testing.T) {
	t.Parallel()
	auth := newAuth(t, secrets(t), jwtauth.Options{})
	own, err := json.Marshal(eddsa.jwk(nil))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		header string
		good   bool
	}{
		"least":                   {`{"alg":"HS256"}`, true},
		"space":                   {"\n{ \"alg\" :\t\"HS256\" }\r\n", true},
		"escaped":                 {`{"\u0061lg":"\u0048S256"}`, true},
		"unknown members":         {`{"alg":"HS256","x":{"y":[1,null]},"x5t":"abc","x5t#S256":"abc","Crit":["x"]}`, true},
		"typ":                     {`{"alg":"HS256","typ":"JWT"}`, true},
		"typ in lower case":       {`{"alg":"HS256","typ":"jwt"}`, true},
		"typ of an access token":  {`{"alg":"HS256","typ":"at+jwt"}`, true},
		"typ in full":             {`{"alg":"HS256","typ":"application/at+JWT"}`, true},
		"typ of a logout token":   {`{"alg":"HS256","typ":"logout+jwt"}`, false},
		"typ of a proof":          {`{"alg":"HS256","typ":"dpop+jwt"}`, false},
		"typ of an event":         {`{"alg":"HS256","typ":"secevent+jwt"}`, false},
		"typ JOSE":                {`{"alg":"HS256","typ":"JOSE"}`, false},
		"typ empty":               {`{"alg":"HS256","typ":""}`, false},
		"typ null":                {`{"alg":"HS256","typ":null}`, false},
		"typ array":               {`{"alg":"HS256","typ":["JWT"]}`, false},
		"crit unknown":            {`{"alg":"HS256","crit":["http://example.com/x"],"http://example.com/x":true}`, false},
		"crit known":              {`{"alg":"HS256","crit":["exp"],"exp":1}`, false},
		"crit b64":                {`{"alg":"HS256","crit":["b64"],"b64":false}`, false},
		"crit empty":              {`{"alg":"HS256","crit":[]}`, false},
		"crit null":               {`{"alg":"HS256","crit":null}`, false},
		"crit escaped":            {`{"alg":"HS256","\u0063rit":["x"]}`, false},
		"jku":                     {`{"alg":"HS256","jku":"https://evil.example/jwks.json"}`, false},
		"jku null":                {`{"alg":"HS256","jku":null}`, false},
		"x5u":                     {`{"alg":"HS256","x5u":"https://evil.example/cert.pem"}`, false},
		"x5c":                     {`{"alg":"HS256","x5c":["MIIB"]}`, false},
		"jwk":                     {`{"alg":"HS256","jwk":` + string(own) + `}`, false},
		"alg twice":               {`{"alg":"none","alg":"HS256"}`, false},
		"alg twice, escaped":      {`{"\u0061lg":"none","alg":"HS256"}`, false},
		"kid twice":               {`{"alg":"HS256","kid":"a","kid":"b"}`, false},
		"alg in another case":     {`{"ALG":"HS256"}`, false},
		"alg in both cases":       {`{"alg":"HS256","Alg":"none"}`, true},
		"no object":               {`["HS256"]`, false},
		"string":                  {`"HS256"`, false},
		"null":                    {`null`, false},
		"empty":                   {``, false},
		"cut":                     {`{"alg":"HS256"`, false},
		"trailing data":           {`{"alg":"HS256"}{"alg":"none"}`, false},
		"trailing comma":          {`{"alg":"HS256",}`, false},
		"comment":                 {`{"alg":"HS256"/**/}`, false},
		"byte order mark":         {"\ufeff" + `{"alg":"HS256"}`, false},
		"invalid UTF-8":           {`{"alg":"HS256","x":"` + "\xff" + `"}`, false},
		"half a surrogate pair":   {`{"alg":"HS256","x":"\ud800"}`, false},
		"deep":                    {`{"alg":"HS256","x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, false},
		"duplicates deeper down":  {`{"alg":"HS256","x":{"y":1,"y":2}}`, false},
		"number out of range":     {`{"alg":"HS256","x":1e400}`, false},
		"encrypted":               {`{"alg":"dir","enc":"A256GCM"}`, false},
		"content type of a token": {`{"alg":"HS256","cty":"JWT"}`, true}, // the payload is none
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := hs256.raw(c.header, object(map[string]string{"exp": in(600), "merchantId": strconv.Quote(merchant)}))
			if c.good {
				accept(t, auth, token)
			} else {
				refuse(t, auth, token)
			}
		})
	}
}

// A token that brings its own key is signed with that.
func TestKeyInHeader(t *testing.T) {
	t.Parallel()
	own, err := json.Marshal(eddsa.jwk(map[string]any{"kid": "k"}))
	require.NoError(t, err)
	sets := []*jwtauth.Set{secrets(t), parsePEM(t, es256), parseJWKS(t, es256.jwk(map[string]any{"kid": "k"}))}
	for _, set := range sets {
		auth := newAuth(t, set, jwtauth.Options{})
		for _, kid := range []string{"", `"k"`} {
			reason := refuse(t, auth, eddsa.token("header.jwk", string(own), "header.kid", kid))
			require.Contains(t, reason, "brings a key of its own")
			refuse(t, auth, eddsa.token("header.kid", kid))
		}
	}
}

func TestKeyIDs(t *testing.T) {
	t.Parallel()
	named := newAuth(t, parseJWKS(t, hs256.jwk(map[string]any{"kid": "k1"}), es256.jwk(map[string]any{"kid": "k2"})), jwtauth.Options{})
	nameless := newAuth(t, secrets(t), jwtauth.Options{})
	accept(t, named, hs256.token("header.kid", `"k1"`))
	accept(t, named, es256.token("header.kid", `"k2"`))
	accept(t, named, hs256.token()) // a token need not name its key
	accept(t, nameless, hs256.token("header.kid", `"whatever"`))
	refuse(t, named, hs256.token("header.kid", `"k2"`))
	refuse(t, named, es256.token("header.kid", `"k1"`))

	empty := issuer{jwt.SigningMethodHS256, []byte{}} // the content of /dev/null
	for _, kid := range []string{
		"../../../../dev/null", "/dev/null", "file:///dev/null", "https://evil.example/key", "' OR '1'='1", "k1' UNION SELECT 'x",
		"k1; ls", "$(id)", "k1\u0000", "k1 ", " k1", "K1", "k", "k11", "k1,k2", "*", "%", "é", "\u202ek1", strings.Repeat("k", 2000),
	} {
		quoted, err := json.Marshal(kid)
		require.NoError(t, err)
		refuse(t, named, hs256.token("header.kid", string(quoted)))
		for _, auth := range []*jwtauth.Authenticator{named, nameless} {
			refuse(t, auth, empty.token("header.kid", string(quoted)))
			refuse(t, auth, issuer{jwt.SigningMethodHS256, []byte(kid)}.token("header.kid", string(quoted)))
		}
	}
	for _, kid := range []string{`""`, "null", "1", "true", `["k1"]`, `{"kid":"k1"}`} {
		for _, auth := range []*jwtauth.Authenticator{named, nameless} {
			require.Contains(t, refuse(t, auth, hs256.token("header.kid", kid)), "kid")
		}
	}
	refuse(t, nameless, hs256.token("header.kid", strconv.Quote(strings.Repeat("k", 10<<10))))
}

// Of two keys with one id, the one of the token's algorithm counts; of two
// without, either.
func TestKeysSideBySide(t *testing.T) {
	t.Parallel()
	same := map[string]any{"kid": "k"}
	auth := newAuth(t, parseJWKS(t, rs256.jwk(same), es256.jwk(same), hs256.jwk(same)), jwtauth.Options{})
	for _, i := range []issuer{rs256, es256, hs256} {
		accept(t, auth, i.token("header.kid", `"k"`))
	}
	refuse(t, auth, eddsa.token("header.kid", `"k"`))

	older := bytes.Repeat([]byte("o"), 32)
	set, err := jwtauth.Secrets([]byte(secret), older)
	require.NoError(t, err)
	auth = newAuth(t, set, jwtauth.Options{})
	accept(t, auth, hs256.token())
	accept(t, auth, issuer{jwt.SigningMethodHS256, older}.token())
	refuse(t, auth, issuer{jwt.SigningMethodHS256, []byte(secret + "x")}.token())
}
