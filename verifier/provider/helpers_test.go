package provider_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier/provider"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
	address  = "https://example.com/hook?a=b"
)

var now = time.Unix(1762257600, 0).UTC()

func atNow() time.Time { return now }

// vendor is a sender, and how it signs, written out once more from what it documents.
type vendor struct {
	name          string
	new           func(string, *provider.Options) (*provider.Verifier, error)
	secret, other string
	timed         bool
	contentType   string
	body          string
	sign          func(h http.Header, secret, at, body string)

	id      string
	is      event.Type
	created time.Time
	data    string // empty: the body
	repeats time.Duration
}

func vendors() []vendor {
	whsecA, whsecB := "whsec_"+base64.StdEncoding.EncodeToString([]byte("key a")), base64.StdEncoding.EncodeToString([]byte("key b"))
	happened := time.Unix(1762257000, 0).UTC()
	return []vendor{
		{
			name: "github", new: provider.GitHub, secret: "a", other: "It's a Secret", contentType: jsonType, body: `{"action":"opened"}`,
			sign: signGitHub, id: "72d3162e-cc78", is: "pull_request", created: now, repeats: 72 * time.Hour,
		},
		{
			name: "paddle", new: provider.Paddle, secret: "pdl_ntfset_a", other: "pdl_ntfset_b", timed: true, contentType: jsonType,
			body: `{"event_id":"evt_1","event_type":"price.created","occurred_at":"2025-11-04T11:50:00Z"}`,
			sign: func(h http.Header, secret, at, body string) {
				h.Set("Paddle-Signature", "ts="+at+";h1="+hexMAC(secret, at+":"+body))
			},
			id: "evt_1", is: "price.created", created: happened, repeats: 72 * time.Hour,
		},
		{
			name: "shopify", new: provider.Shopify, secret: "a", other: "b", contentType: jsonType, body: `{"id":820982911946154508}`,
			sign: signShopify, id: "b54557e4", is: "orders/create", created: happened.Add(123456789), repeats: 4 * time.Hour,
		},
		{
			name: "slack", new: provider.Slack, secret: "a", other: "b", timed: true, contentType: jsonType,
			body: `{"type":"event_callback","event_id":"Ev08","event_time":1762257000,"event":{"type":"app_mention"}}`,
			sign: signSlack, id: "Ev08", is: "app_mention", created: happened, repeats: 24 * time.Hour,
		},
		{
			name: "standardwebhooks", new: provider.StandardWebhooks, secret: whsecA, other: whsecB, timed: true, contentType: jsonType,
			body: `{"type":"User Created!","timestamp":"2025-11-04T11:50:00Z","data":{"n":1}}`,
			sign: signStandard("webhook-"), id: "msg_1", is: "User Created!", created: happened, data: `{"n":1}`,
		},
		{
			name: "stripe", new: provider.Stripe, secret: "whsec_a", other: "whsec_b", timed: true, contentType: jsonType,
			body: `{"id":"evt_1","type":"charge.succeeded","created":1762257000,"data":{}}`,
			sign: func(h http.Header, secret, at, body string) {
				h.Set("Stripe-Signature", "t="+at+",v1="+hexMAC(secret, at+"."+body)+",v0="+hexMAC("", body))
			},
			id: "evt_1", is: "charge.succeeded", created: happened, repeats: 720 * time.Hour,
		},
		{
			name: "svix", new: provider.Svix, secret: whsecB, other: whsecA, timed: true, contentType: jsonType, body: `{"hello":"world"}`,
			sign: signStandard("svix-"), id: "msg_1", is: "message", created: now, repeats: 28 * time.Hour,
		},
		{
			name: "twilio", new: provider.Twilio, secret: "a", other: "b", contentType: formType, body: "MessageStatus=delivered&To=%2B1",
			sign: signTwilio, id: "token", is: "delivered", created: now, data: `{"MessageStatus":"delivered","To":"+1"}`, repeats: 15 * time.Second,
		},
		{
			name: "zoom", new: provider.Zoom, secret: "a", other: "b", timed: true, contentType: jsonType,
			body: `{"event":"meeting.started","event_ts":1762257000000,"payload":{}}`, sign: signZoom,
			id: "evt_" + hexSum("zoom\n"+`{"event":"meeting.started","event_ts":1762257000000,"payload":{}}`), is: "meeting.started", created: happened, repeats: 125 * time.Minute,
		},
	}
}

func signGitHub(h http.Header, secret, _, body string) {
	h.Set("X-Hub-Signature-256", "sha256="+hexMAC(secret, body))
	h.Set("X-GitHub-Delivery", "72d3162e-cc78")
	h.Set("X-GitHub-Event", "pull_request")
}

func signShopify(h http.Header, secret, _, body string) {
	h.Set("X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac(sha256.New, secret, body)))
	h.Set("X-Shopify-Webhook-Id", "b54557e4")
	h.Set("X-Shopify-Event-Id", "98880550")
	h.Set("X-Shopify-Topic", "orders/create")
	h.Set("X-Shopify-Triggered-At", "2025-11-04T11:50:00.123456789Z")
}

func signSlack(h http.Header, secret, at, body string) {
	h.Set("X-Slack-Request-Timestamp", at)
	h.Set("X-Slack-Signature", "v0="+hexMAC(secret, "v0:"+at+":"+body))
}

func signZoom(h http.Header, secret, at, body string) {
	h.Set("x-zm-request-timestamp", at)
	h.Set("x-zm-signature", "v0="+hexMAC(secret, "v0:"+at+":"+body))
}

func signStandard(prefix string) func(h http.Header, secret, at, body string) {
	return func(h http.Header, secret, at, body string) {
		if len(secret) > 6 && secret[:6] == "whsec_" {
			secret = secret[6:]
		}
		key, _ := base64.StdEncoding.DecodeString(secret)
		h.Set(prefix+"id", "msg_1")
		h.Set(prefix+"timestamp", at)
		h.Set(prefix+"signature", "v1,"+base64.StdEncoding.EncodeToString(mac(sha256.New, string(key), "msg_1."+at+"."+body)))
	}
}

// signTwilio is for forms in which no field comes twice, and for JSON.
func signTwilio(h http.Header, secret, _, body string) {
	signed := address
	if form, err := url.ParseQuery(body); err == nil && h.Get("Content-Type") == formType {
		var names []string
		for name := range form {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			signed += name + form.Get(name)
		}
	} else {
		signed += "&bodySHA256=" + hexSum(body)
	}
	h.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac(sha1.New, secret, signed)))
	h.Set("I-Twilio-Idempotency-Token", "token")
}

func mac(h func() hash.Hash, key, text string) []byte {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(text))
	return m.Sum(nil)
}

func hexMAC(key, text string) string { return hex.EncodeToString(mac(sha256.New, key, text)) }

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// signed returns the header of a request that the vendor has signed with secret.
func (v vendor) signed(secret string, at time.Time, contentType, body string) http.Header {
	h := http.Header{}
	h.Set("Content-Type", contentType)
	v.sign(h, secret, strconv.FormatInt(at.Unix(), 10), body)
	return h
}

func (v vendor) verifier(tb testing.TB, o provider.Options) *provider.Verifier {
	tb.Helper()
	if o.Now == nil {
		o.Now = atNow
	}
	o.URL = address
	secret := v.secret
	if o.Secrets != nil {
		secret = ""
	}
	made, err := v.new(secret, &o)
	require.NoError(tb, err)
	return made
}

// find returns the vendor of a name.
func find(tb testing.TB, name string) vendor {
	tb.Helper()
	all := vendors()
	i := slices.IndexFunc(all, func(v vendor) bool { return v.name == name })
	require.GreaterOrEqual(tb, i, 0)
	return all[i]
}
