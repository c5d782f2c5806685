//go:build interop

package vendors_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/PaddleHQ/paddle-go-sdk/v4"
	"github.com/google/go-github/v88/github"
	"github.com/slack-go/slack"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stripe/stripe-go/v85/webhook"
	svix "github.com/svix/svix-webhooks/go"
	twilio "github.com/twilio/twilio-go/client"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/provider"
)

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
	address  = "https://shop.example/webhooks?a=1" // as Twilio calls it
)

// sender is one row of the table.
type sender struct {
	name, library string
	ours          func(secret string, o *provider.Options) (*provider.Verifier, error)
	standard      bool // secrets are base64
	contentType   string

	// The message has the time it was signed at, and the library looks at it.
	timed, window bool
	// The message has a signature for each secret while secrets change.
	lists bool

	// sign sets headers and query of a message: with the library if that signs, or else
	// as the sender's page says.
	sign func(m *http.Request, secrets []string, id string, at time.Time, body []byte)
	// theirs reports whether the library accepts a message. It is nil if there is none.
	theirs func(m *http.Request, secret string, body []byte) bool
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// set sets headers, whose names and values alternate.
func set(m *http.Request, pairs ...string) {
	for pair := range slices.Chunk(pairs, 2) {
		m.Header.Set(pair[0], pair[1])
	}
}

func sum(h func() hash.Hash, secret string, parts ...string) []byte {
	mac := hmac.New(h, []byte(secret))
	for _, p := range parts {
		_, _ = io.WriteString(mac, p)
	}
	return mac.Sum(nil)
}

func hexSum(secret string, parts ...string) string {
	return hex.EncodeToString(sum(sha256.New, secret, parts...))
}

func unix(at time.Time) string { return fmt.Sprint(at.Unix()) }

func senders() []sender {
	same := standard("webhook-", func(secret string) (library, error) { return standardwebhooks.NewWebhook(secret) })
	other := standard("svix-", func(secret string) (library, error) { return svix.NewWebhook(secret) })
	other.name, other.library, other.ours = "Svix", "svix-webhooks", provider.Svix
	return []sender{gitHub(), paddleBilling(), shopify(), slackApp(), same, stripe(), other, twilioForm(), twilioJSON(), zoom()}
}

func gitHub() sender {
	return sender{
		name: "GitHub", library: "go-github", ours: provider.GitHub,
		sign: func(m *http.Request, secrets []string, id string, _ time.Time, body []byte) {
			set(m, "X-GitHub-Delivery", id,
				"X-GitHub-Event", "push",
				"X-Hub-Signature-256", "sha256="+hexSum(secrets[0], string(body)))
		},
		theirs: func(m *http.Request, secret string, body []byte) bool {
			return github.ValidateSignature(m.Header.Get(github.SHA256SignatureHeader), body, []byte(secret)) == nil
		},
	}
}

func paddleBilling() sender {
	return sender{
		name: "Paddle", library: "paddle-go-sdk", ours: provider.Paddle, timed: true, window: true,
		sign: func(m *http.Request, secrets []string, _ string, at time.Time, body []byte) {
			m.Header.Set("Paddle-Signature", "ts="+unix(at)+";h1="+hexSum(secrets[0], unix(at), ":", string(body)))
		},
		theirs: func(m *http.Request, secret string, body []byte) bool {
			r := m.Clone(m.Context())
			r.Body = io.NopCloser(bytes.NewReader(body))
			ok, err := paddle.NewWebhookVerifier(secret, paddle.VerifierWithTimestampTolerance(verifier.DefaultTolerance)).Verify(r)
			return err == nil && ok
		},
	}
}

func shopify() sender {
	return sender{
		name: "Shopify", ours: provider.Shopify,
		sign: func(m *http.Request, secrets []string, id string, at time.Time, body []byte) {
			set(m, "X-Shopify-Webhook-Id", id,
				"X-Shopify-Topic", "orders/create",
				"X-Shopify-Triggered-At", at.UTC().Format(time.RFC3339Nano),
				"X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(sum(sha256.New, secrets[0], string(body))))
		},
	}
}

func slackApp() sender {
	return sender{
		name: "Slack", library: "slack-go", ours: provider.Slack, timed: true, window: true,
		sign: func(m *http.Request, secrets []string, _ string, at time.Time, body []byte) {
			set(m, "X-Slack-Request-Timestamp", unix(at),
				"X-Slack-Signature", "v0="+hexSum(secrets[0], "v0:", unix(at), ":", string(body)))
		},
		theirs: func(m *http.Request, secret string, body []byte) bool {
			v, err := slack.NewSecretsVerifier(m.Header, secret)
			if err == nil {
				_, err = v.Write(body)
			}
			return err == nil && v.Ensure() == nil
		},
	}
}

// library is what the Go libraries of Standard Webhooks and Svix have in common.
type library interface {
	Sign(id string, at time.Time, body []byte) (string, error)
	Verify(body []byte, h http.Header) error
}

func standard(prefix string, open func(secret string) (library, error)) sender {
	return sender{
		name: "Standard Webhooks", library: "standard-webhooks", ours: provider.StandardWebhooks,
		standard: true, timed: true, window: true, lists: true,
		sign: func(m *http.Request, secrets []string, id string, at time.Time, body []byte) {
			var signatures []string
			for _, secret := range secrets {
				signatures = append(signatures, must(must(open(secret)).Sign(id, at, body)))
			}
			set(m, prefix+"id", id,
				prefix+"timestamp", unix(at),
				prefix+"signature", strings.Join(signatures, " "))
		},
		theirs: func(m *http.Request, secret string, body []byte) bool {
			return must(open(secret)).Verify(body, m.Header) == nil
		},
	}
}

func stripe() sender {
	return sender{
		name: "Stripe", library: "stripe-go", ours: provider.Stripe, timed: true, window: true, lists: true,
		sign: func(m *http.Request, secrets []string, _ string, at time.Time, body []byte) {
			header := "t=" + unix(at)
			for _, secret := range secrets {
				header += ",v1=" + hex.EncodeToString(webhook.ComputeSignature(at, body, secret))
			}
			m.Header.Set("Stripe-Signature", header)
		},
		theirs: func(m *http.Request, secret string, body []byte) bool {
			return webhook.ValidatePayload(body, m.Header.Get("Stripe-Signature"), secret) == nil
		},
	}
}

func twilioForm() sender {
	return sender{
		name: "Twilio, form", library: "twilio-go", ours: twilioAt, contentType: formType,
		sign: func(m *http.Request, secrets []string, id string, _ time.Time, body []byte) {
			text, form := address, must(url.ParseQuery(string(body)))
			for _, name := range slices.Sorted(maps.Keys(form)) {
				text += name + form.Get(name)
			}
			setTwilio(m, secrets[0], id, text)
		},
		theirs: func(m *http.Request, secret string, body []byte) bool {
			v := twilio.NewRequestValidator(secret)
			return v.ValidateBody(called(m), body, m.Header.Get("X-Twilio-Signature"))
		},
	}
}

func twilioJSON() sender {
	s := twilioForm()
	s.name, s.contentType = "Twilio, JSON", jsonType
	s.sign = func(m *http.Request, secrets []string, id string, _ time.Time, body []byte) {
		digest := sha256.Sum256(body)
		m.URL.RawQuery += "&bodySHA256=" + hex.EncodeToString(digest[:])
		setTwilio(m, secrets[0], id, called(m))
	}
	return s
}

func twilioAt(secret string, o *provider.Options) (*provider.Verifier, error) {
	o.URL = address
	return provider.Twilio(secret, o)
}

// called is the address that Twilio has made a request to.
func called(m *http.Request) string { return strings.TrimSuffix(address, "a=1") + m.URL.RawQuery }

func setTwilio(m *http.Request, secret, id, signed string) {
	set(m, "I-Twilio-Idempotency-Token", id, "X-Twilio-Signature", base64.StdEncoding.EncodeToString(sum(sha1.New, secret, signed)))
}

func zoom() sender {
	return sender{
		name: "Zoom", ours: provider.Zoom, timed: true,
		sign: func(m *http.Request, secrets []string, _ string, at time.Time, body []byte) {
			set(m, "X-Zm-Request-Timestamp", unix(at),
				"X-Zm-Signature", "v0="+hexSum(secrets[0], "v0:", unix(at), ":", string(body)))
		},
	}
}
