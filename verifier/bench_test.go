package verifier_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
)

// BenchmarkCheck measures the floor, which is one SHA-256 over the body and one block
// more; a request with X-Webhook-Signature; one with both signatures, as our sender
// writes it; one that is wrong; and the Standard Webhooks library, which does not
// look at the clock here.
func BenchmarkCheck(b *testing.B) {
	theirs, err := standardwebhooks.NewWebhook(secretA)
	require.NoError(b, err)
	v := newVerifier(b, secretA, &verifier.Options{AcceptUntimed: true, Now: atTestTime})
	var block [sha256.BlockSize - 9]byte // With its padding, one block.
	for _, size := range []int{200, 1 << 10, 16 << 10} {
		body := strings.Repeat("x", size)
		untimed, both, wrong := http.Header{}, http.Header{}, http.Header{}
		untimed.Set(signer.HeaderSignature, untimedHeader(secretA, body))
		wrong.Set(signer.HeaderSignature, untimedHeader(secretA, body)[1:])
		both.Set(signer.HeaderSignature, untimedHeader(secretA, body))
		setStandard(b, both, testTime, body, secretA)
		for _, bb := range []struct {
			name  string
			check func(body []byte) error
			ok    bool
		}{
			{"floor", func(body []byte) error {
				_, _ = sha256.Sum256(body), sha256.Sum256(block[:])
				return nil
			}, true},
			{"untimed", func(body []byte) error { return v.Check(untimed, body) }, true},
			{"both", func(body []byte) error { return v.Check(both, body) }, true},
			{"malformed", func(body []byte) error { return v.Check(wrong, body) }, false},
			{"peer=standard-webhooks", func(body []byte) error { return theirs.VerifyIgnoringTimestamp(body, both) }, true},
		} {
			b.Run(fmt.Sprintf("%dB/%s", size, bb.name), func(b *testing.B) {
				raw := []byte(body)
				require.Equal(b, bb.ok, bb.check(raw) == nil)
				b.ReportAllocs()
				for b.Loop() {
					_ = bb.check(raw)
				}
			})
		}
	}
}

// BenchmarkMiddleware is everything but the network: checks, reading, verifying,
// parsing, and the request for the handler.
func BenchmarkMiddleware(b *testing.B) {
	v := newVerifier(b, secretA, &verifier.Options{AcceptUntimed: true, Now: atTestTime})
	handler := v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	body := bytes.NewReader([]byte(eventBody))
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(signer.HeaderSignature, untimedHeader(secretA, eventBody))
	setStandard(b, r.Header, testTime, eventBody, secretA)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		body.Reset([]byte(eventBody))
		handler.ServeHTTP(w, r)
	}
	require.Equal(b, http.StatusOK, w.Code)
}
