package provider

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// GitHub returns a Verifier for webhooks of repositories, organizations and apps. Only
// X-Hub-Signature-256 counts. The event's type is X-GitHub-Event, such as "pull_request";
// the action is in the data. Neither that nor X-GitHub-Delivery, the id, is signed, and
// there is no time: whoever has captured a request can send it again under another id.
// GitHub sends nothing again by itself. It keeps deliveries for three days, to be sent
// again by hand. A body has at most 25 MB.
//
//   - https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
//   - https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap
//   - https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers
//   - https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks
func GitHub(secret string, o *Options) (*Verifier, error) { return New(github(), secret, o) }

func github() Scheme {
	return Scheme{
		Name:         "github",
		Signature:    []Field{{Header: "X-Hub-Signature-256", Prefix: "sha256="}},
		ID:           []Field{{Header: "X-GitHub-Delivery"}},
		Type:         []Field{{Header: "X-GitHub-Event"}},
		Payload:      "payload",
		ContentTypes: []string{"application/json", formType},
		MaxBody:      25 << 20,
		Repeats:      3 * 24 * time.Hour,
	}
}

// Stripe returns a Verifier for the webhooks of an endpoint, whose secret is "whsec_…". Its
// whole text is the key. Only v1 signatures count. Data is all of Stripe's event. Stripe
// repeats events for three days, and its command line may send those of 30 days again.
//
//   - https://docs.stripe.com/webhooks/signature
//   - https://docs.stripe.com/webhooks#retries
func Stripe(secret string, o *Options) (*Verifier, error) { return New(stripe(), secret, o) }

func stripe() Scheme {
	return Scheme{
		Name:      "stripe",
		Signature: []Field{{Header: "Stripe-Signature", Prefix: "v1="}},
		Separator: ",",
		Signed:    "{timestamp}.{body}",
		Timestamp: []Field{{Header: "Stripe-Signature", Prefix: "t="}},
		ID:        []Field{{Member: "id"}},
		Type:      []Field{{Member: "type"}},
		Created:   []Field{{Member: "created"}},
		Repeats:   30 * 24 * time.Hour,
	}
}

// Slack returns a Verifier for the requests of an app: events, slash commands and
// interactivity. secret is the app's signing secret. The type of an event is that of the
// inner event, such as "app_mention"; of a command it is that, "/weather"; of an
// interaction its type, "block_actions". Commands and interactions get an id made of their
// content. It answers url_verification. Slack repeats events three times within some
// minutes, and, with delayed events, each hour for a day.
//
//   - https://docs.slack.dev/authentication/verifying-requests-from-slack
//   - https://docs.slack.dev/apis/events-api
func Slack(secret string, o *Options) (*Verifier, error) { return New(slack(), secret, o) }

func slack() Scheme {
	return Scheme{
		Name:         "slack",
		Signature:    []Field{{Header: "X-Slack-Signature", Prefix: "v0="}},
		Signed:       "v0:{timestamp}:{body}",
		Timestamp:    []Field{{Header: "X-Slack-Request-Timestamp"}},
		ID:           []Field{{Member: "event_id"}},
		Type:         []Field{{Member: "event.type"}, {Member: "type"}, {Member: "command"}},
		Created:      []Field{{Member: "event_time"}, {Header: "X-Slack-Request-Timestamp"}},
		Payload:      "payload",
		Challenge:    slackChallenge,
		ContentTypes: []string{"application/json", formType},
		Repeats:      24 * time.Hour,
	}
}

// slackChallenge is https://docs.slack.dev/reference/events/url_verification.
func slackChallenge(_ http.Header, body []byte, _ func([]byte) []byte) []byte {
	var ask struct{ Type, Challenge string }
	if json.Unmarshal(body, &ask) != nil || ask.Type != "url_verification" || ask.Challenge == "" {
		return nil
	}
	return []byte(ask.Challenge)
}

// Shopify returns a Verifier for webhooks of an app, whose client secret is the secret. The
// id is X-Shopify-Webhook-Id, the same on each repeat. X-Shopify-Event-Id is not: what a
// merchant does once has one such id in all topics and subscriptions. The type is
// X-Shopify-Topic, such as "orders/create". None of the headers is signed, and there is no
// time. Shopify repeats for four hours.
//
//   - https://shopify.dev/docs/apps/build/webhooks/subscribe/https
//   - https://shopify.dev/docs/api/shopify-app-remix/v4/authenticate/webhook
//   - https://shopify.dev/changelog/updates-to-webhook-retry-mechanism
func Shopify(secret string, o *Options) (*Verifier, error) { return New(shopify(), secret, o) }

func shopify() Scheme {
	return Scheme{
		Name:      "shopify",
		Base64:    true,
		Signature: []Field{{Header: "X-Shopify-Hmac-Sha256"}},
		ID:        []Field{{Header: "X-Shopify-Webhook-Id"}, {Header: "X-Shopify-Event-Id"}},
		Type:      []Field{{Header: "X-Shopify-Topic"}},
		Created:   []Field{{Header: "X-Shopify-Triggered-At"}},
		Repeats:   4 * time.Hour,
	}
}

const standardSigned = "{id}.{timestamp}.{body}"

// StandardWebhooks returns a Verifier for any sender that signs as Standard Webhooks says.
// secret is base64, with "whsec_" before it or without, or a public key, "whpk_…". The type
// is the body's, of any spelling, and "message" if it has none. Data is the body's data, or
// else the whole body. A sender of this module has a [verifier.Verifier], which is stricter.
//
//   - https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func StandardWebhooks(secret string, o *Options) (*Verifier, error) {
	return New(standardWebhooks(), secret, o)
}

func standardWebhooks() Scheme {
	return Scheme{
		Name:       "standardwebhooks",
		Base64:     true,
		Signature:  []Field{{Header: "webhook-signature", Prefix: "v1,"}},
		Separator:  " ",
		Signed:     standardSigned,
		Key:        decodeKey,
		PublicKeys: true,
		Timestamp:  []Field{{Header: "webhook-timestamp"}},
		ID:         []Field{{Header: "webhook-id"}},
		Type:       []Field{{Member: "type"}},
		Untyped:    "message",
		Created:    []Field{{Member: "timestamp"}, {Header: "webhook-timestamp"}},
		Data:       "data",
	}
}

// decodeKey returns the bytes that a secret of Standard Webhooks holds in base64. Its
// libraries ask for no length.
func decodeKey(secret string) ([]byte, error) {
	text := strings.TrimPrefix(secret, "whsec_")
	encoding := base64.StdEncoding
	if !strings.HasSuffix(text, "=") {
		encoding = base64.RawStdEncoding
	}
	raw, err := encoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("secret is not standard base64")
	}
	return raw, nil
}

// Svix returns a [StandardWebhooks] that reads the headers svix-id, svix-timestamp and
// svix-signature where they are there. Svix repeats for some 28 hours.
//
//   - https://docs.svix.com/receiving/verifying-payloads/how-manual
//   - https://docs.svix.com/retries
func Svix(secret string, o *Options) (*Verifier, error) { return New(svix(), secret, o) }

func svix() Scheme {
	s := standardWebhooks()
	s.Name = "svix"
	s.Signature = append([]Field{{Header: "svix-signature", Prefix: "v1,"}}, s.Signature...)
	s.Timestamp = append([]Field{{Header: "svix-timestamp"}}, s.Timestamp...)
	s.ID = append([]Field{{Header: "svix-id"}}, s.ID...)
	s.Created = append([]Field{{Member: "timestamp"}}, s.Timestamp...)
	s.Repeats = 28 * time.Hour
	return s
}

// Twilio returns a Verifier for the requests that Twilio makes with POST to one address,
// [Options.URL], which is signed with the fields of the form. secret is the auth token. As in
// Twilio's libraries, the address counts with its port and without. A JSON body is signed by
// a hash of it in the address, bodySHA256, which URL leaves out. The type is the first that is
// there of EventType, StatusCallbackEvent, RecordingStatus, MessageStatus, SmsStatus and
// CallStatus, and else "twilio". The id is I-Twilio-Idempotency-Token, which is not signed.
// Nor is it signed where the name of a field ends, and there is no time. Twilio repeats at
// most for 15 seconds.
//
//   - https://www.twilio.com/docs/usage/security#validating-requests
//   - https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
func Twilio(secret string, o *Options) (*Verifier, error) { return New(twilio(), secret, o) }

func twilio() Scheme {
	s := Scheme{
		Name:         "twilio",
		Hash:         crypto.SHA1,
		Base64:       true,
		Signature:    []Field{{Header: "X-Twilio-Signature"}},
		Signed:       "{url}{form}",
		BodyHash:     "bodySHA256",
		ID:           []Field{{Header: "I-Twilio-Idempotency-Token"}},
		Untyped:      "twilio",
		ContentTypes: []string{formType, "application/json"},
		Repeats:      15 * time.Second,
	}
	for _, name := range []string{"EventType", "StatusCallbackEvent", "RecordingStatus", "MessageStatus", "SmsStatus", "CallStatus"} {
		s.Type = append(s.Type, Field{Member: name})
	}
	return s
}

// Paddle returns a Verifier for notifications of Paddle Billing. secret is that of the
// notification destination, "pdl_ntfset_…". The id is event_id, which a notification that is
// replayed keeps. Paddle's libraries allow for five seconds; set [Options.Tolerance] for that.
// Paddle repeats for three days.
//
//   - https://developer.paddle.com/webhooks/signature-verification
//   - https://developer.paddle.com/webhooks/respond-to-webhooks
func Paddle(secret string, o *Options) (*Verifier, error) { return New(paddle(), secret, o) }

func paddle() Scheme {
	return Scheme{
		Name:      "paddle",
		Signature: []Field{{Header: "Paddle-Signature", Prefix: "h1="}},
		Separator: ";",
		Signed:    "{timestamp}:{body}",
		Timestamp: []Field{{Header: "Paddle-Signature", Prefix: "ts="}},
		ID:        []Field{{Member: "event_id"}},
		Type:      []Field{{Member: "event_type"}},
		Created:   []Field{{Member: "occurred_at"}},
		Repeats:   3 * 24 * time.Hour,
	}
}

// Zoom returns a Verifier for the webhooks of an app, whose secret token is the secret. It
// answers endpoint.url_validation. Zoom sends no id, so one is made of the body. Zoom repeats
// three times within some two hours.
//
//   - https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events
//   - https://developers.zoom.us/docs/api/webhooks/#notification-delivery-retry-policy
func Zoom(secret string, o *Options) (*Verifier, error) { return New(zoom(), secret, o) }

func zoom() Scheme {
	return Scheme{
		Name:      "zoom",
		Signature: []Field{{Header: "X-Zm-Signature", Prefix: "v0="}},
		Signed:    "v0:{timestamp}:{body}",
		Timestamp: []Field{{Header: "X-Zm-Request-Timestamp"}},
		Type:      []Field{{Member: "event"}},
		Created:   []Field{{Member: "event_ts"}, {Header: "X-Zm-Request-Timestamp"}},
		Challenge: zoomChallenge,
		Repeats:   125 * time.Minute,
	}
}

// zoomChallenge is https://developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint.
// It signs what the sender wants to have signed, so nobody else may ask for it.
func zoomChallenge(_ http.Header, body []byte, sign func([]byte) []byte) []byte {
	var ask struct {
		Event   string
		Payload struct{ PlainToken string }
	}
	if json.Unmarshal(body, &ask) != nil || ask.Event != "endpoint.url_validation" || ask.Payload.PlainToken == "" {
		return nil
	}
	answer, err := json.Marshal(map[string]string{
		"plainToken":     ask.Payload.PlainToken,
		"encryptedToken": hex.EncodeToString(sign([]byte(ask.Payload.PlainToken))),
	})
	if err != nil {
		return nil
	}
	return answer
}

// Schemes returns the rows of this package: those of its constructors, by name.
func Schemes() []Scheme {
	return []Scheme{github(), paddle(), shopify(), slack(), standardWebhooks(), stripe(), svix(), twilio(), zoom()}
}
