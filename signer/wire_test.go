package signer_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

// untimedForms are all forms of the untimed signature, made with crypto/hmac alone.
var untimedForms = []struct {
	name string
	form signer.Untimed
	want func(secret string, body []byte) string
}{
	{"default", signer.Untimed{}, func(s string, b []byte) string { return "sha256=" + hex.EncodeToString(hmacOf([]byte(s), b)) }},
	{"prefix", signer.Untimed{Prefix: "hmac-sha256:"}, func(s string, b []byte) string {
		return "hmac-sha256:" + hex.EncodeToString(hmacOf([]byte(s), b))
	}},
	{"no prefix", signer.Untimed{NoPrefix: true}, func(s string, b []byte) string { return hex.EncodeToString(hmacOf([]byte(s), b)) }},
	{"no prefix beats prefix", signer.Untimed{NoPrefix: true, Prefix: "v0="}, func(s string, b []byte) string {
		return hex.EncodeToString(hmacOf([]byte(s), b))
	}},
	{"base64", signer.Untimed{Base64: true}, func(s string, b []byte) string {
		return "sha256=" + base64.StdEncoding.EncodeToString(hmacOf([]byte(s), b))
	}},
	{"decoded key", signer.Untimed{DecodedKey: true}, func(s string, b []byte) string {
		return "sha256=" + hex.EncodeToString(hmacOf(decodedKey(s), b))
	}},
	{"all", signer.Untimed{NoPrefix: true, Base64: true, DecodedKey: true}, func(s string, b []byte) string {
		return base64.StdEncoding.EncodeToString(hmacOf(decodedKey(s), b))
	}},
}

// decodedKey is what a secret of this module holds, and the text of any other.
func decodedKey(secret string) []byte {
	encoded, ours := strings.CutPrefix(secret, "whsec_")
	key, err := base64.RawStdEncoding.DecodeString(encoded)
	if !ours || err != nil {
		return []byte(secret)
	}
	return key
}

func TestUntimedForms(t *testing.T) {
	t.Parallel()
	for _, tt := range untimedForms {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, secret := range []string{exampleSecret, "sk_live/of-another-sender"} {
				s, want := newSigner(t, secret, signer.NewSecret().Reveal()), tt.want(secret, testBody)
				require.Equal(t, want, string(s.AppendUntimed(nil, testBody, tt.form)))
				require.True(t, newSigner(t, signer.NewSecret().Reveal(), secret).VerifyUntimed(testBody, want, tt.form), "any secret")
				require.False(t, s.VerifyUntimed(testBody[1:], want, tt.form))
				require.False(t, newSigner(t, signer.NewSecret().Reveal()).VerifyUntimed(testBody, want, tt.form))
				for i := range want {
					changed := []byte(want)
					if changed[i] ^= 1; !strings.EqualFold(string(changed), want) {
						require.False(t, s.VerifyUntimed(testBody, string(changed), tt.form), "%q", changed)
					}
				}
				for _, bad := range []string{"", want[1:], want + "=", want + "\n", " " + want, want[:len(want)-2] + "\r\n"} {
					require.False(t, s.VerifyUntimed(testBody, bad, tt.form), "%q", bad)
				}
			}
		})
	}
}

// Base64 has several spellings of the last byte, and the form is part of the signature.
func TestUntimedFormsAreNotMixed(t *testing.T) {
	t.Parallel()
	for i, one := range untimedForms {
		for j, other := range untimedForms {
			same := i == j || one.want(exampleSecret, testBody) == other.want(exampleSecret, testBody)
			ok := newSigner(t, exampleSecret).VerifyUntimed(testBody, one.want(exampleSecret, testBody), other.form)
			require.Equal(t, same, ok, "%s as %s", one.name, other.name)
		}
	}
	var asymmetric signer.Signer
	require.Empty(t, asymmetric.AppendUntimed(nil, testBody, signer.Untimed{Base64: true}))
	form := signer.Untimed{NoPrefix: true, Base64: true}
	s := newSigner(t, exampleSecret)
	text := s.AppendUntimed(nil, testBody, form)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	at := strings.IndexByte(alphabet, text[42])
	text[42] = alphabet[at^1] // The two lowest bits of it are padding.
	require.False(t, s.VerifyUntimed(testBody, string(text), form))
}

func TestUntimedAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun refuses to run beside others.
	s := newSigner(t, exampleSecret)
	buf := make([]byte, 0, 128)
	for _, tt := range untimedForms {
		header := tt.want(exampleSecret, testBody)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			buf = s.AppendUntimed(buf[:0], testBody, tt.form)
			if !s.VerifyUntimed(testBody, header, tt.form) {
				panic("does not verify")
			}
		}), tt.name)
	}
}

func TestWireNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		wire  signer.Wire
		own   string
		agent string
	}{
		{"zero", signer.Wire{}, "X-Webhook-Signature X-Webhook-Event X-Webhook-ID X-Webhook-Delivery-ID", signer.DefaultUserAgent},
		{"prefix", signer.Wire{Prefix: "X-Acme-"}, "X-Acme-Signature X-Acme-Event X-Acme-ID X-Acme-Delivery-ID", "Webhooks/1.0"},
		{"one name", signer.Wire{Signature: "X-Signed"}, "X-Signed X-Webhook-Event X-Webhook-ID X-Webhook-Delivery-ID", signer.DefaultUserAgent},
		{"omitted", signer.Wire{Signature: "X-Signed", OmitUntimed: true}, "X-Webhook-Event X-Webhook-ID X-Webhook-Delivery-ID", signer.DefaultUserAgent},
		{"standard alone", signer.Wire{Event: "X-Type", StandardOnly: true}, "", "Webhooks/1.0"},
		{"agent", signer.Wire{StandardOnly: true, UserAgent: "Acme-Webhooks/1.0"}, "", "Acme-Webhooks/1.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, tt.wire.Validate())
			require.Equal(t, tt.own, strings.Join(tt.wire.Own(), " "))
			full := tt.wire.WithDefaults()
			require.Equal(t, tt.agent, full.UserAgent)
			require.Equal(t, full, full.WithDefaults(), "defaults are filled in once")
			require.Equal(t, tt.wire.Own(), full.Own())
		})
	}
}

func TestWireValidate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		wire signer.Wire
		want []string // parts of the error; none: valid
	}{
		{"zero", signer.Wire{}, nil},
		{"everything", signer.Wire{
			Prefix: "X-", Signature: "Hmac", Event: "x-type", WebhookID: "X-1", DeliveryID: strings.Repeat("x", 64),
			Untimed: signer.Untimed{Prefix: "v0=", Base64: true, DecodedKey: true}, Svix: true, UserAgent: "Acme (webhooks; 1.0)",
		}, nil},
		{"no token", signer.Wire{Prefix: "X Acme-"}, []string{`"X Acme-Signature" is not`, `"X Acme-Event" is not`}},
		{"underscore", signer.Wire{Signature: "X_Acme"}, []string{`"X_Acme" is not`}},
		{"line break", signer.Wire{Event: "X-A\r\nX-B"}, []string{`"X-A\r\nX-B" is not`}},
		{"too long", signer.Wire{WebhookID: strings.Repeat("x", 65)}, []string{"is not the name of a header"}},
		{"twice", signer.Wire{Event: "x-webhook-signature"}, []string{"two headers have one name"}},
		{"of Standard Webhooks", signer.Wire{Prefix: "webhook-"}, []string{"Webhook-Signature is a header of", "Webhook-Id is"}},
		{"of svix", signer.Wire{Prefix: "Svix-"}, []string{"Svix-Signature is a header of"}},
		{"of HTTP", signer.Wire{Event: "content-type", Signature: "Authorization", WebhookID: "user-agent"}, []string{"Content-Type is", "Authorization is", "User-Agent is"}},
		{"of traces", signer.Wire{DeliveryID: "traceparent", Event: "Idempotency-Key"}, []string{"Traceparent is", "Idempotency-Key is"}},
		{"names that are not sent", signer.Wire{Signature: "a b", OmitUntimed: true}, nil},
		{"no name is sent", signer.Wire{Prefix: "a b", StandardOnly: true}, nil},
		{"agent", signer.Wire{UserAgent: "a\nb"}, []string{"user agent"}},
		{"agent with a space behind", signer.Wire{UserAgent: "a "}, []string{"user agent"}},
		{"agent with a space in front", signer.Wire{UserAgent: " a"}, []string{"user agent"}},
		{"agent of spaces", signer.Wire{UserAgent: " "}, []string{"user agent"}},
		{"long agent", signer.Wire{UserAgent: strings.Repeat("a", 257)}, []string{"user agent"}},
		{"prefix of the signature", signer.Wire{Untimed: signer.Untimed{Prefix: "a b"}}, []string{"prefix of the untimed signature"}},
		{"long prefix", signer.Wire{Untimed: signer.Untimed{Prefix: strings.Repeat("a", 33)}}, []string{"prefix of the untimed signature"}},
		{"all at once", signer.Wire{Event: "Host", UserAgent: "\x7f", Untimed: signer.Untimed{Prefix: "é"}}, []string{"Host is", "user agent", "prefix of"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.wire.Validate()
			if len(tt.want) == 0 {
				require.NoError(t, err)
				return
			}
			for _, part := range tt.want {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

// A new product sends Standard Webhooks alone. Acme keeps the names of the sender that it
// has had.
func ExampleWire() {
	fresh := signer.Wire{StandardOnly: true, UserAgent: "Acme-Webhooks/1.0"}
	acme := signer.Wire{Prefix: "X-Acme-", Untimed: signer.Untimed{NoPrefix: true, Base64: true}}
	for _, w := range []signer.Wire{fresh, acme} {
		if err := w.Validate(); err != nil {
			fmt.Println(err)
		}
		fmt.Println(w.WithDefaults().UserAgent, w.Own())
	}
	// Output:
	// Acme-Webhooks/1.0 []
	// Webhooks/1.0 [X-Acme-Signature X-Acme-Event X-Acme-ID X-Acme-Delivery-ID]
}
