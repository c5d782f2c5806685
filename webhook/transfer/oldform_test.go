package transfer_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/transfer"
)

// TestOldForms compares what is sent with what each form describes, signed here by the
// standard library alone.
func TestOldForms(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte{7}, 32)
	ours := "whsec_" + base64.StdEncoding.EncodeToString(raw)
	sum := func(key []byte, text string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	for _, tt := range []struct {
		name, form, secret string
		want               func(body string) map[string]string
		body               string
	}{
		{
			name: "default", form: `{}`, secret: ours,
			want: func(body string) map[string]string {
				return map[string]string{
					"X-Webhook-Signature": "sha256=" + hex.EncodeToString(sum([]byte(ours), body)), "X-Webhook-Event": "webhook.test",
					"User-Agent": signer.DefaultUserAgent, "Webhook-Signature": "",
				}
			},
		},
		{
			name: "base64 with the decoded key", secret: ours,
			form: `{"wire":{"prefix":"X-Acme-","untimed":{"base64":true,"noPrefix":true,"decodedKey":true}},"headers":{"x-legacy":"v1={{hex}};{{base64}}"}}`,
			want: func(body string) map[string]string {
				return map[string]string{
					"X-Acme-Signature": base64.StdEncoding.EncodeToString(sum(raw, body)), "User-Agent": "Webhooks/1.0",
					"X-Legacy": "v1=" + hex.EncodeToString(sum(raw, body)) + ";" + base64.StdEncoding.EncodeToString(sum(raw, body)),
				}
			},
		},
		{
			name: "a secret of another sender", secret: "sk_live/of-another-sender", form: `{"wire":{"untimed":{"prefix":"v0=","decodedKey":true}}}`,
			want: func(body string) map[string]string {
				return map[string]string{"X-Webhook-Signature": "v0=" + hex.EncodeToString(sum([]byte("sk_live/of-another-sender"), body))}
			},
		},
		{
			name: "no headers of its own, and those of Svix", secret: ours,
			form: `{"wire":{"standardOnly":true,"svix":true},"standard":true,"headers":{"USER-AGENT":"Svix-Webhooks/1.24"}}`,
			want: func(string) map[string]string {
				return map[string]string{"X-Webhook-Signature": "", "X-Webhook-Event": "", "User-Agent": "Svix-Webhooks/1.24"}
			},
		},
		{
			name: "a body of its own", secret: ours, form: `{"wire":{"omitUntimed":true},"body": {"at": "{{unix}}", "by":"{{merchantId}}",  "when":"{{time}}", "n":"x{{unix}}"} }`,
			body: `{"at": 946684800, "by":"merchant_42",  "when":"2000-01-01T00:00:00Z", "n":"x946684800"}`,
			want: func(string) map[string]string { return map[string]string{"X-Webhook-Signature": ""} },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, e := rehearsal(nil)
				o.Old = transfer.OldForm{}
				require.NoError(t, json.Unmarshal([]byte(tt.form), &o.Old))
				_, err := transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(moving(t, tt.secret, at("1")...)), io.Discard, o)
				require.NoError(t, err)
				first := e.Seen()[0]
				require.True(t, json.Valid([]byte(first.Body)), first.Body)
				if tt.body != "" {
					require.Equal(t, tt.body, first.Body)
				}
				for name, want := range tt.want(first.Body) {
					require.Equal(t, want, first.Header.Get(name), name)
				}
				if o.Old.Standard {
					requireStandard(t, tt.secret, first)
				}
			})
		})
	}
}

// requireStandard verifies both names of the headers of Standard Webhooks.
func requireStandard(t *testing.T, secret string, c harness.Call) {
	t.Helper()
	parsed, err := signer.ParseSecret(secret)
	require.NoError(t, err)
	s, err := signer.New(parsed)
	require.NoError(t, err)
	for _, prefix := range []string{"webhook-", "svix-"} {
		at, err := strconv.ParseInt(c.Header.Get(prefix+"timestamp"), 10, 64)
		require.NoError(t, err)
		require.True(t, s.VerifyStandard(c.Header.Get(prefix+"id"), time.Unix(at, 0), []byte(c.Body), c.Header.Get(prefix+"signature")), prefix)
	}
}

// TestOldFormOfAPrivateKey leaves out what only a secret can make.
func TestOldFormOfAPrivateKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New(nil)
		svc, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{oldKey}})
		require.NoError(t, err)
		_, err = svc.Register(t.Context(), harness.Merchant, webhook.Registration{
			URL: "https://example.com/1", Events: []string{"*"}, Signature: webhook.SchemeAsymmetric,
		})
		require.NoError(t, err)
		o, e := rehearsal(nil)
		_, err = transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(export(t, st)), io.Discard, o)
		require.NoError(t, err)
		require.NotContains(t, e.Seen()[0].Header, "X-Shop-Hmac")
		require.NotEmpty(t, e.Seen()[0].Header.Get("X-Shop-At"))
	})
}
