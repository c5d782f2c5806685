package explain_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

// TestWireIsExplained gives every case Acme's names: the report says the same of them.
func TestWireIsExplained(t *testing.T) {
	t.Parallel()
	acme := strings.NewReplacer("X-Webhook-", "X-Acme-", "x-webhook-", "x-acme-", "X_WEBHOOK_", "X_ACME_")
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := arrived(t, eventBody)
			tt.change(c)
			want := c.explain()
			renamed := http.Header{}
			for name, values := range c.header {
				renamed[acme.Replace(name)] = values
			}
			opts := c.options()
			opts.Wire = signer.Wire{Prefix: "X-Acme-"}
			got := explain.With(opts, renamed, []byte(c.body), c.secrets...)
			require.Equal(t, acme.Replace(want.String()), got.String())

			opts = c.options()
			opts.AcceptUntimed, opts.Wire = false, signer.Wire{StandardOnly: true}
			got = explain.With(opts, c.header, []byte(c.body), c.secrets...)
			require.NotContains(t, got.String(), "X-Webhook", "there is no such header")
			require.NotContains(t, got.String(), "  is ")
		})
	}
}

func TestWireFormsAreExplained(t *testing.T) {
	t.Parallel()
	raw := mac(sha256.New, secretA, eventBody)
	hexed, coded := hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw)
	ofBytes := hex.EncodeToString(mac(sha256.New, decoded(secretA), eventBody))
	const name = "X-Signed"
	bare, coding := signer.Untimed{NoPrefix: true}, signer.Untimed{Base64: true, Prefix: "v0="}
	for _, tt := range []struct {
		name   string
		form   signer.Untimed
		header string
		value  string
		want   codes // none: it verifies
		says   string
	}{
		{"bare", bare, name, hexed, codes{}, ""},
		{"bare with a prefix", bare, name, "sha256=" + hexed, codes{explain.Malformed}, name + " has a prefix in front, and should have none."},
		{"bare in base64", bare, name, coded, codes{explain.Malformed}, "It is 64 hex digits and nothing else."},
		{"bare under another name", bare, "X-Other", hexed, codes{explain.HeaderMoved}, name + " is there under another name"},
		{"coded", coding, name, "v0=" + coded, codes{}, ""},
		{"coded without its padding", coding, name, strings.TrimRight("v0="+coded, "="), codes{explain.Malformed}, ""},
		{"coded in hex", coding, name, "sha256=" + hexed, codes{explain.Malformed}, `It is "v0=" and 44 characters of base64.`},
		{"a prefix with a comma", signer.Untimed{Prefix: "hmac,"}, name, "hmac," + hexed, codes{}, ""},
		{"decoded key", signer.Untimed{DecodedKey: true}, name, "sha256=" + ofBytes, codes{}, ""},
		{
			"decoded key, signed with the text",
			signer.Untimed{DecodedKey: true},
			name, "sha256=" + hexed,
			codes{explain.SecretKey},
			"The key of X-Signed and of webhook-signature is what",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := arrived(t, eventBody)
			c.untimedOnly()
			c.standardOnly()
			c.header[tt.header] = []string{tt.value}
			opts := c.options()
			opts.Wire = signer.Wire{Signature: name, Untimed: tt.form}
			got := explain.With(opts, c.header, []byte(c.body), c.secrets...)
			require.Equal(t, len(tt.want) == 0, got.Verified)
			require.Equal(t, tt.want, causes(got), got.String())
			require.Contains(t, got.String(), tt.says)
		})
	}
}

// One name may end in another, and is not taken for it.
func TestWireNamesThatEndAlike(t *testing.T) {
	t.Parallel()
	c := arrived(t, eventBody)
	c.standardOnly()
	c.set("My-Webhook-Signature", untimed(secretA, eventBody))
	c.header.Del("webhook-signature")
	opts := c.options()
	opts.Wire = signer.Wire{Signature: "My-Webhook-Signature", Event: "Type"}
	got := explain.With(opts, c.header, []byte(c.body), c.secrets...)
	require.False(t, got.Verified)
	require.False(t, got.Has(explain.HeaderMoved), got.String())
	require.True(t, got.Has(explain.HeaderMissing))
}

// A name that begins with the usual one is said once.
func TestWireNamesThatBeginAlike(t *testing.T) {
	t.Parallel()
	const name = "X-Webhook-Signature-256"
	for says, header := range map[string]map[string][]string{
		name + " comes 2 times.":                 {name: {untimed(secretA, eventBody), untimed(secretA, eventBody)}},
		name + " is there under another name or": {"X_webhook_signature_256": {untimed(secretA, eventBody)}},
	} {
		c := arrived(t, eventBody)
		c.untimedOnly()
		c.header.Del(signer.HeaderSignature)
		maps.Copy(c.header, header)
		opts := c.options()
		opts.Wire = signer.Wire{Signature: name}
		require.Contains(t, explain.With(opts, c.header, []byte(c.body), c.secrets...).String(), says)
	}
}
