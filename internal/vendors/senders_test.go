//go:build interop

package vendors

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/PaddleHQ/paddle-go-sdk/v4"
	"github.com/google/go-github/v74/github"
	"github.com/slack-go/slack"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stripe/stripe-go/v84/webhook"
	svix "github.com/svix/svix-webhooks/go"
	"github.com/twilio/twilio-go/client"

	"github.com/rag-assistant/webhooks/verifier/provider"
)

// sender is one whose messages both sides verify.
type sender struct {
	name    string
	library string // empty: there is none for Go
	secrets [2]string
	ours    func(secret string, o *provider.Options) (*provider.Verifier, error)

	// sign returns the headers of a message, by the sender's library if that signs.
	sign func(secret, id string, at time.Time, body []byte) http.Header
	// theirs is the sender's library.
	theirs func(secret string, h http.Header, body []byte) error
	form   bool // the body is a form
	timed  bool // ours looks at the time
	clock  bool // so does theirs
}

var errRefused = errors.New("refused")

// refused turns a verdict into an error.
func refused(ok bool) error {
	if ok {
		return nil
	}
	return errRefused
}

const address = "https://example.com/webhooks?a=1"

func mac(h func() hash.Hash, secret, text string) []byte {
	m := hmac.New(h, []byte(secret))
	m.Write([]byte(text))
	return m.Sum(nil)
}

func unix(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

func headers(pairs ...string) http.Header {
	h := http.Header{"Content-Type": {"application/json"}}
	for pair := range slices.Chunk(pairs, 2) {
		h.Set(pair[0], pair[1])
	}
	return h
}

func whsec(letter string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(letter), 27))
}

// senders returns all of them. What a library cannot do, sign, is done as the sender's page says.
func senders() []sender {
	plain := [2]string{"one-secret-of-a-sender", "another-secret-of-it"}
	return []sender{
		{
			name: "github", library: "go-github", secrets: plain, ours: provider.GitHub,
			sign: func(secret, id string, _ time.Time, body []byte) http.Header {
				return headers("X-GitHub-Delivery", id, "X-GitHub-Event", "push",
					"X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac(sha256.New, secret, string(body))))
			},
			theirs: func(secret string, h http.Header, body []byte) error {
				return github.ValidateSignature(h.Get(github.SHA256SignatureHeader), body, []byte(secret))
			},
		},
		{
			name: "stripe", library: "stripe-go", secrets: plain, ours: provider.Stripe, timed: true, clock: true,
			sign: func(secret, _ string, at time.Time, body []byte) http.Header {
				p := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: secret, Timestamp: at})
				return headers("Stripe-Signature", p.Header)
			},
			theirs: func(secret string, h http.Header, body []byte) error {
				return webhook.ValidatePayload(body, h.Get("Stripe-Signature"), secret)
			},
		},
		{
			name: "slack", library: "slack-go", secrets: plain, ours: provider.Slack, timed: true, clock: true,
			sign: func(secret, _ string, at time.Time, body []byte) http.Header {
				sum := mac(sha256.New, secret, "v0:"+unix(at)+":"+string(body))
				return headers("X-Slack-Request-Timestamp", unix(at), "X-Slack-Signature", "v0="+hex.EncodeToString(sum))
			},
			theirs: func(secret string, h http.Header, body []byte) error {
				v, err := slack.NewSecretsVerifier(h, secret)
				if err != nil {
					return err
				}
				_, _ = v.Write(body)
				return v.Ensure()
			},
		},
		{
			name: "svix", library: "svix", secrets: [2]string{whsec("a"), whsec("b")}, ours: provider.Svix, timed: true, clock: true,
			sign: func(secret, id string, at time.Time, body []byte) http.Header {
				w, err := svix.NewWebhook(secret)
				if err != nil {
					panic(err)
				}
				signature, err := w.Sign(id, at, body)
				if err != nil {
					panic(err)
				}
				return headers("svix-id", id, "svix-timestamp", unix(at), "svix-signature", signature)
			},
			theirs: func(secret string, h http.Header, body []byte) error {
				w, err := svix.NewWebhook(secret)
				if err != nil {
					return err
				}
				return w.Verify(body, h)
			},
		},
		{
			name: "standardwebhooks", library: "standard-webhooks", secrets: [2]string{whsec("a"), whsec("b")}, ours: provider.StandardWebhooks, timed: true, clock: true,
			sign: func(secret, id string, at time.Time, body []byte) http.Header {
				w, err := standardwebhooks.NewWebhook(secret)
				if err != nil {
					panic(err)
				}
				signature, err := w.Sign(id, at, body)
				if err != nil {
					panic(err)
				}
				return headers("webhook-id", id, "webhook-timestamp", unix(at), "webhook-signature", signature)
			},
			theirs: func(secret string, h http.Header, body []byte) error {
				w, err := standardwebhooks.NewWebhook(secret)
				if err != nil {
					return err
				}
				return w.Verify(body, h)
			},
		},
		{
			name: "twilio", library: "twilio-go", secrets: plain, form: true,
			ours: func(secret string, o *provider.Options) (*provider.Verifier, error) {
				o.URL = address
				return provider.Twilio(secret, o)
			},
			sign: func(secret, id string, _ time.Time, body []byte) http.Header {
				text := address
				form, _ := url.ParseQuery(string(body))
				for _, name := range slices.Sorted(maps.Keys(form)) {
					text += name + form.Get(name)
				}
				h := headers("I-Twilio-Idempotency-Token", id, "X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac(sha1.New, secret, text)))
				h.Set("Content-Type", "application/x-www-form-urlencoded")
				return h
			},
			theirs: func(secret string, h http.Header, body []byte) error {
				form, err := url.ParseQuery(string(body))
				if err != nil {
					return err
				}
				params := map[string]string{}
				for name := range form {
					params[name] = form.Get(name)
				}
				v := client.NewRequestValidator(secret)
				return refused(v.Validate(address, params, h.Get("X-Twilio-Signature")))
			},
		},
		{
			name: "paddle", library: "paddle-go-sdk", secrets: plain, ours: provider.Paddle, timed: true,
			sign: func(secret, _ string, at time.Time, body []byte) http.Header {
				sum := mac(sha256.New, secret, unix(at)+":"+string(body))
				return headers("Paddle-Signature", "ts="+unix(at)+";h1="+hex.EncodeToString(sum))
			},
			theirs: func(secret string, h http.Header, body []byte) error {
				r, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body)) //nolint:noctx // It is not sent.
				if err != nil {
					return err
				}
				r.Header = h
				ok, err := paddle.NewWebhookVerifier(secret).Verify(r)
				return errors.Join(refused(ok), err)
			},
		},
		{
			name: "shopify", secrets: plain, ours: provider.Shopify,
			sign: func(secret, id string, at time.Time, body []byte) http.Header {
				return headers("X-Shopify-Webhook-Id", id, "X-Shopify-Topic", "orders/create", "X-Shopify-Triggered-At", at.UTC().Format(time.RFC3339),
					"X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac(sha256.New, secret, string(body))))
			},
		},
		{
			name: "zoom", secrets: plain, ours: provider.Zoom, timed: true,
			sign: func(secret, _ string, at time.Time, body []byte) http.Header {
				sum := mac(sha256.New, secret, "v0:"+unix(at)+":"+string(body))
				return headers("X-Zm-Request-Timestamp", unix(at), "X-Zm-Signature", "v0="+hex.EncodeToString(sum))
			},
		},
	}
}

// body is a message of the sender, with any text in it.
func (s sender) body(id, text string) []byte {
	if s.form {
		return []byte(url.Values{"MessageSid": {id}, "Body": {text}}.Encode())
	}
	return fmt.Appendf(nil, `{"id":%q,"event_id":%q,"type":"a.b","event_type":"a.b","event":"a.b","created":1762257600,"text":%s}`, id, id, quoted(text))
}
