package verifier_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
)

func TestNewFailsClosed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		secret string
		opts   *verifier.Options
		want   []string
	}{
		{"no secret", "", nil, []string{"secret is empty"}},
		{"line break", secretA + "\n", nil, []string{"white space"}},
		{"not a secret", "changeme", nil, []string{"does not start"}},
		{"empty other secret", secretA, &verifier.Options{OtherSecrets: []string{secretB, ""}}, []string{"other secret 2", "empty"}},
		{"no secret and no key", "", &verifier.Options{PublicKeys: []string{}}, []string{"secret is empty"}},
		{
			"no secret beside other secrets", "", &verifier.Options{OtherSecrets: []string{secretA}, PublicKeys: []string{publicKey}},
			[]string{"secret is empty"},
		},
		{"empty key", "", &verifier.Options{PublicKeys: []string{publicKey, ""}}, []string{"public key 2", "empty"}},
		{"secret as a key", secretA, &verifier.Options{PublicKeys: []string{secretA}}, []string{"public key 1", "does not start with whpk_"}},
		{"key as the secret", publicKey, nil, []string{"does not start with whsec_"}},
		{
			"key that anyone can sign for", "", &verifier.Options{PublicKeys: []string{"whpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}},
			[]string{"public key 1", "none that"},
		},
		{
			"everything", "x", &verifier.Options{
				OtherSecrets: []string{"y"}, PublicKeys: []string{"z"}, Tolerance: -1, MaxAge: -1, MaxBody: -1, BodyTimeout: -1,
				ContentTypes: []string{"application/json", "Application/JSON", "text/plain; charset=utf-8", ""},
			},
			[]string{
				"does not start", "other secret 1", "public key 1", "tolerance", "max age", "max body", "body timeout",
				`"Application/JSON"`, `"text/plain; charset=utf-8"`, `""`,
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := verifier.New(tt.secret, tt.opts)
			require.Nil(t, v)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			if len(tt.secret) > 10 {
				require.NotContains(t, err.Error(), tt.secret[6:16])
			}
			require.Panics(t, func() { verifier.Middleware(tt.secret, tt.opts) })
		})
	}
}

func TestOptionsPrintNoSecret(t *testing.T) {
	t.Parallel()
	opts := verifier.Options{OtherSecrets: []string{secretA, secretB}, AcceptUntimed: true}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, holder := range []any{opts, &opts, []verifier.Options{opts}, struct{ O *verifier.Options }{&opts}} {
			text := fmt.Sprintf(verb, holder)
			for _, secret := range []string{secretA, secretB} {
				require.NotContains(t, text, secret[6:16], verb)
				require.NotContains(t, text, hex.EncodeToString([]byte(secret[6:16])), verb)
			}
		}
	}
	require.Contains(t, fmt.Sprintf("%+v", &opts), "{OtherSecrets:[whsec_*** whsec_***] PublicKeys:[] Secrets:<nil> AcceptUntimed:true")
}

func TestOptionsAreCopied(t *testing.T) {
	t.Parallel()
	opts := &verifier.Options{OtherSecrets: []string{secretB}, AcceptUntimed: true, ContentTypes: []string{"application/json"}, Now: atTestTime}
	v := newVerifier(t, secretA, opts)
	opts.OtherSecrets[0], opts.ContentTypes[0], opts.AcceptUntimed = secretC, "text/plain", false
	r, w := newRequest(t, eventBody), httptest.NewRecorder()
	r.Header.Set(signer.HeaderSignature, untimedHeader(secretB, eventBody))
	r.Header.Del(signer.HeaderStandardID)
	r.Header.Del(signer.HeaderStandardTimestamp)
	r.Header.Del(signer.HeaderStandardSignature)
	v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
}
