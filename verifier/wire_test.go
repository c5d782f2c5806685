package verifier_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
)

// acme has names of its own, and the form that a sender made at home might have.
var acme = signer.Wire{Prefix: "X-Acme-", Event: "x-acme-type", Untimed: signer.Untimed{NoPrefix: true, Base64: true}}

func TestWire(t *testing.T) {
	t.Parallel()
	ours, acmes := untimedHeader(secretA, eventBody), base64.StdEncoding.EncodeToString(mac(secretA, eventBody))
	decoded, err := base64.RawStdEncoding.DecodeString(secretA[len("whsec_"):])
	require.NoError(t, err)
	for _, tt := range []struct {
		name   string
		opts   verifier.Options
		signed bool // as Standard Webhooks says
		header map[string]string
		want   error
		says   string
	}{
		{"acme's event", verifier.Options{Wire: acme}, true, map[string]string{"X-Acme-Type": "webhook.test"}, nil, ""},
		{"another event", verifier.Options{Wire: acme}, true, map[string]string{"X-Acme-Type": "other"}, verifier.ErrEventType, ""},
		{"event under a name that is not acme's", verifier.Options{Wire: acme}, true, map[string]string{"X-Webhook-Event": "other"}, nil, ""},
		{
			"acme's signature alone",
			verifier.Options{Wire: acme},
			false,
			map[string]string{"X-Acme-Signature": acmes},
			verifier.ErrMissingSignature, "there is X-Acme-Signature alone",
		},
		{"accepted", verifier.Options{Wire: acme, AcceptUntimed: true}, false, map[string]string{"X-Acme-Signature": acmes}, nil, ""},
		{
			"our form under acme's name",
			verifier.Options{Wire: acme, AcceptUntimed: true},
			false,
			map[string]string{"X-Acme-Signature": ours},
			verifier.ErrMismatch, "",
		},
		{
			"our name",
			verifier.Options{Wire: acme, AcceptUntimed: true},
			false,
			map[string]string{"X-Webhook-Signature": ours},
			verifier.ErrMissingSignature, "",
		},
		{
			"acme's name",
			verifier.Options{AcceptUntimed: true},
			false,
			map[string]string{"X-Acme-Signature": acmes},
			verifier.ErrMissingSignature, "",
		},
		{
			"decoded key",
			verifier.Options{Wire: signer.Wire{Untimed: signer.Untimed{DecodedKey: true}}, AcceptUntimed: true},
			false,
			map[string]string{"X-Webhook-Signature": "sha256=" + hex.EncodeToString(mac(string(decoded), eventBody))},
			nil, "",
		},
		{
			"omitted",
			verifier.Options{Wire: signer.Wire{OmitUntimed: true}},
			false,
			map[string]string{"X-Webhook-Signature": ours, "": ours},
			verifier.ErrMissingSignature, "",
		},
		{"standard alone", verifier.Options{Wire: signer.Wire{StandardOnly: true}}, true, map[string]string{"X-Webhook-Event": "other", "": "x"}, nil, ""},
		{
			"standard alone, unsigned",
			verifier.Options{Wire: signer.Wire{StandardOnly: true}},
			false,
			map[string]string{"X-Webhook-Signature": ours, "": ours},
			verifier.ErrMissingSignature, "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for key, value := range tt.header {
				h[key] = []string{value}
			}
			if tt.signed {
				setStandard(t, h, testTime, eventBody, secretA)
			}
			tt.opts.Now = atTestTime
			_, err := newVerifier(t, secretA, &tt.opts).Verify(h, []byte(eventBody))
			require.ErrorIs(t, err, tt.want)
			if tt.says != "" {
				require.ErrorContains(t, err, tt.says)
			}
		})
	}
	h := http.Header{"X-Acme-Signature": {acmes, acmes}}
	err = newVerifier(t, secretA, &verifier.Options{Wire: acme, AcceptUntimed: true}).Check(h, []byte(eventBody))
	require.ErrorIs(t, err, verifier.ErrMismatch)
	require.ErrorContains(t, err, "X-Acme-Signature comes 2 times")
}

func TestWireIsValidated(t *testing.T) {
	t.Parallel()
	for _, w := range []signer.Wire{{OmitUntimed: true}, {StandardOnly: true}} {
		_, err := verifier.New(secretA, &verifier.Options{Wire: w, AcceptUntimed: true})
		require.ErrorContains(t, err, "AcceptUntimed is set, and the wire has no untimed signature")
	}
	bad := &verifier.Options{Wire: signer.Wire{Event: "Content-Type"}}
	_, err := verifier.New(secretA, bad)
	require.ErrorContains(t, err, "Content-Type is a header of HTTP")
	_, err = verifier.MiddlewareFor(newVerifier(t, secretA, nil), bad)
	require.NoError(t, err, "the names are those of the checker")
}

func TestWireAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun refuses to run beside others.
	v := newVerifier(t, secretA, &verifier.Options{Wire: acme, AcceptUntimed: true})
	h := http.Header{"X-Acme-Signature": {base64.StdEncoding.EncodeToString(mac(secretA, eventBody))}}
	body := []byte(eventBody)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if v.Check(h, body) != nil {
			panic("does not verify")
		}
	}))
}
