package verifier_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
)

// signAsymmetric signs eventBody as a sender without shared secrets does.
func signAsymmetric(tb testing.TB, h http.Header, at time.Time, s *signer.Signer) {
	tb.Helper()
	h.Set("webhook-id", "evt_1")
	h.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("webhook-signature", string(s.AppendStandard(nil, "evt_1", at, []byte(eventBody))))
}

func TestPublicKeys(t *testing.T) {
	t.Parallel()
	current, former, other := signer.NewPrivateKey(), signer.NewPrivateKey(), signer.NewPrivateKey()
	public := func(keys ...signer.PrivateKey) []string {
		texts := make([]string, len(keys))
		for i, key := range keys {
			texts[i] = key.Public().String()
		}
		return texts
	}
	asymmetric := func(current signer.PrivateKey, previous ...signer.PrivateKey) *signer.Signer {
		s, err := signer.NewAsymmetric(current, previous...)
		require.NoError(t, err)
		return s
	}
	for _, tt := range []struct {
		name   string
		sender *signer.Signer
		secret string
		keys   []string
		want   error
	}{
		{"its key", asymmetric(current), "", public(current), nil},
		{"another key", asymmetric(current), "", public(other), verifier.ErrMismatch},
		{"one of two keys", asymmetric(current), "", public(other, current), nil},
		{"two signatures, the newer key", asymmetric(current, former), "", public(current), nil},
		{"two signatures, the older key", asymmetric(current, former), "", public(former), nil},
		{"key beside a secret", asymmetric(current), secretA, public(current), nil},
		{"no key", asymmetric(current), secretA, nil, verifier.ErrMismatch},
		{"both versions, key", asymmetric(current).Join(newSigner(t, secretA)), "", public(current), nil},
		{"both versions, secret", asymmetric(current).Join(newSigner(t, secretA)), secretA, nil, nil},
		{"both versions, secret and another key", asymmetric(current).Join(newSigner(t, secretA)), secretA, public(other), nil},
		{"both versions, neither", asymmetric(current).Join(newSigner(t, secretA)), secretB, public(other), verifier.ErrMismatch},
		{"secret only, key", newSigner(t, secretA), "", public(current), verifier.ErrMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, accept := range []bool{false, true} {
				v := newVerifier(t, tt.secret, &verifier.Options{PublicKeys: tt.keys, AcceptUntimed: accept, Now: atTestTime})
				h := http.Header{}
				signAsymmetric(t, h, testTime, tt.sender)
				err := v.Check(h, []byte(eventBody))
				require.ErrorIs(t, err, tt.want)
				require.Equal(t, tt.want == nil, err == nil)
				require.ErrorIs(t, v.Check(h, []byte(eventBody+" ")), verifier.ErrMismatch)
				signAsymmetric(t, h, testTime.Add(-time.Hour), tt.sender)
				if tt.want == nil {
					require.ErrorIs(t, v.Check(h, []byte(eventBody)), verifier.ErrStale)
				}
			}
		})
	}
}

// Without a secret, nobody can verify X-Webhook-Signature.
func TestPublicKeysAloneNeverAcceptTheUntimedSignature(t *testing.T) {
	t.Parallel()
	key := signer.NewPrivateKey()
	handler := verifier.Middleware("", &verifier.Options{PublicKeys: []string{key.Public().String()}, AcceptUntimed: true, Now: atTestTime})(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, signature := range []string{"", untimedHeader(secretA, eventBody), untimedHeader("", eventBody), untimedHeader(key.Public().String(), eventBody)} {
		r, w := newRequest(t, eventBody), httptest.NewRecorder()
		r.Header = http.Header{"Content-Type": {"application/json"}}
		r.Header.Set(signer.HeaderSignature, signature)
		handler.ServeHTTP(w, r)
		require.Equal(t, http.StatusUnauthorized, w.Code)
	}
	r, w := newRequest(t, eventBody), httptest.NewRecorder()
	r.Header.Del(signer.HeaderSignature)
	s, err := signer.NewAsymmetric(key)
	require.NoError(t, err)
	signAsymmetric(t, r.Header, testTime, s)
	handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
}
