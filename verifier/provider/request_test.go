package provider_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/provider"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// TestBodies has bodies that verify, and what event is in them.
func TestBodies(t *testing.T) {
	t.Parallel()
	hidden := `{"x":"&payload=` + url.QueryEscape(`{"action":"deleted"}`) + `&"}`
	for _, tt := range []struct {
		name, vendor, contentType, body string
		id                              string // empty: of the body
		is                              event.Type
		data                            string
		err                             error
	}{
		{"GitHub's form", "github", formType, "payload=%7B%22action%22%3A%22opened%22%7D", "72d3162e-cc78", "pull_request", `{"action":"opened"}`, nil},
		{"two payloads", "github", formType, "payload=%7B%7D&payload=%7B%7D", "", "", "", event.ErrMalformed},
		{"a payload that is not JSON", "github", formType, "payload=%7B", "", "", "", event.ErrMalformed},
		{"JSON said to be a form", "github", formType, hidden, "", "", "", event.ErrMalformed},
		{"JSON said to be a form, after space", "github", formType, "\r\n " + hidden, "", "", "", event.ErrMalformed},
		{"a form said to be JSON", "github", jsonType, "payload=%7B%7D", "", "", "", event.ErrMalformed},
		{"a broken form", "github", formType, "payload=%zz", "", "", "", event.ErrMalformed},
		{"not JSON", "github", jsonType, `{"a":1}x`, "", "", "", event.ErrMalformed},
		{"nothing", "github", jsonType, "", "", "", "", event.ErrMalformed},
		{"an array", "github", jsonType, "[1]", "72d3162e-cc78", "pull_request", "[1]", nil},
		{"too deep", "github", jsonType, strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), "", "", "", event.ErrMalformed},
		{"interaction", "slack", formType, "payload=%7B%22type%22%3A%22block_actions%22%7D", "", "block_actions", `{"type":"block_actions"}`, nil},
		{"command", "slack", formType, "command=%2Fgo&text=a&text=b", "", "/go", `{"command":"/go","text":["a","b"]}`, nil},
		{"two commands", "slack", formType, "command=a&command=b", "", "", "", event.ErrMalformed},
		{"outer type", "slack", jsonType, `{"type":"app_rate_limited"}`, "", "app_rate_limited", `{"type":"app_rate_limited"}`, nil},
		{"no type", "stripe", jsonType, `{"id":"evt_1"}`, "", "", "", event.ErrMalformed},
		{"type of another kind", "stripe", jsonType, `{"id":"evt_1","type":["a"]}`, "", "", "", event.ErrMalformed},
		{"no object", "stripe", jsonType, `"a"`, "", "", "", event.ErrMalformed},
		{"id is a number", "stripe", jsonType, `{"id":12345678901234567890,"type":"a"}`, "12345678901234567890", "a", `{"id":12345678901234567890,"type":"a"}`, nil},
		{"id is null", "stripe", jsonType, `{"id":null,"type":"a"}`, "", "a", `{"id":null,"type":"a"}`, nil},
		{"control character in the id", "stripe", jsonType, `{"id":"a\u0000","type":"a"}`, "", "", "", event.ErrMalformed},
		{"control character in the type", "stripe", jsonType, `{"id":"a","type":"a\n"}`, "", "", "", event.ErrMalformed},
		{"long id", "stripe", jsonType, `{"id":"` + strings.Repeat("a", 256) + `","type":"a"}`, "", "", "", event.ErrMalformed},
		{"JSON from Twilio", "twilio", jsonType, `[{"EventType":"x"}]`, "token", "twilio", `[{"EventType":"x"}]`, nil},
		{"call", "twilio", formType, "CallStatus=completed&a=", "token", "completed", `{"CallStatus":"completed","a":""}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := find(t, tt.vendor)
			h := v.signed(v.secret, now, tt.contentType, tt.body)
			e, err := v.verifier(t, provider.Options{}).Verify(h, []byte(tt.body))
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			if tt.id == "" {
				tt.id = "evt_" + hexSum(tt.vendor+"\n"+tt.body)
			}
			require.Equal(t, tt.id, e.ID)
			require.Equal(t, tt.is, e.Type)
			require.Equal(t, json.RawMessage(tt.data), e.Data)
			require.Equal(t, tt.contentType, e.ContentType)
			require.Equal(t, tt.body, string(e.Body))
		})
	}
}

func TestCreated(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Time{
		`1762257000`:                    now.Add(-10 * time.Minute),
		`1762257000000`:                 now.Add(-10 * time.Minute),
		`"2025-11-04T12:50:00.5+01:00"`: now.Add(-10*time.Minute + time.Second/2),
		`1e400`:                         now,
		`-1`:                            now,
		`99999999999999999999999999`:    now,
		`9223372036854775807`:           now,
		`"9999-12-31T23:59:59-01:00"`:   now,
		`"tomorrow"`:                    now,
		`null`:                          now,
		`{}`:                            now,
		`"0001-01-01T00:00:00Z"`:        now,
		`253402300799`:                  now.Add(-time.Duration(now.UnixMilli()-253402300799) * time.Millisecond),
		`"+1762257000"`:                 now,
	} {
		v := find(t, "stripe")
		body := `{"id":"a","type":"a","created":` + value + `}`
		e, err := v.verifier(t, provider.Options{}).Verify(v.signed(v.secret, now, jsonType, body), []byte(body))
		require.NoError(t, err, value)
		require.Equal(t, want, e.Created, value)
	}
}

// TestHeaders has headers that a stranger or a proxy has changed.
func TestHeaders(t *testing.T) {
	t.Parallel()
	at := strconv.FormatInt(now.Unix(), 10)
	for _, tt := range []struct {
		name, vendor string
		change       func(h http.Header, v vendor)
		err          error
		text         string
	}{
		{"signature twice", "github", func(h http.Header, _ vendor) { h.Add("X-Hub-Signature-256", h.Get("X-Hub-Signature-256")) }, verifier.ErrMismatch, "comes 2 times"},
		{"SHA-1 instead", "github", func(h http.Header, v vendor) {
			h.Set("X-Hub-Signature", "sha1=3a1b")
			h.Del("X-Hub-Signature-256")
		}, verifier.ErrMissingSignature, "there is no X-Hub-Signature-256"},
		{"upper case", "github", func(h http.Header, v vendor) {
			h.Set("X-Hub-Signature-256", "sha256="+strings.ToUpper(hexMAC(v.secret, v.body)))
		}, nil, ""},
		{"no prefix", "github", func(h http.Header, v vendor) { h.Set("X-Hub-Signature-256", hexMAC(v.secret, v.body)) }, verifier.ErrMismatch, ""},
		{"white space", "github", func(h http.Header, v vendor) { h.Set("X-Hub-Signature-256", " "+h.Get("X-Hub-Signature-256")+"\t") }, nil, ""},
		{"two ids", "github", func(h http.Header, _ vendor) { h.Add("X-GitHub-Delivery", "other") }, event.ErrMalformed, "X-Github-Delivery comes 2 times"},
		{"control character in the id", "github", func(h http.Header, _ vendor) { h.Set("X-GitHub-Delivery", "a\x01") }, event.ErrMalformed, ""},
		{"no type", "github", func(h http.Header, _ vendor) { h.Del("X-GitHub-Event") }, event.ErrMalformed, ""},
		{"other spelling of base64", "shopify", func(h http.Header, v vendor) {
			text := []byte(h.Get("X-Shopify-Hmac-Sha256"))
			text[42]++ // The last two bits of this character are not used.
			h.Set("X-Shopify-Hmac-Sha256", string(text))
		}, verifier.ErrMismatch, ""},
		{"no time", "slack", func(h http.Header, _ vendor) { h.Del("X-Slack-Request-Timestamp") }, verifier.ErrMissingSignature, "there is no X-Slack-Request-Timestamp"},
		{"time twice", "slack", func(h http.Header, _ vendor) { h.Add("X-Slack-Request-Timestamp", at) }, verifier.ErrMismatch, "2 times"},
		{"changed time", "slack", func(h http.Header, _ vendor) { h.Set("X-Slack-Request-Timestamp", at[:9]+"1") }, verifier.ErrMismatch, ""},
		{"no number", "slack", func(h http.Header, _ vendor) { h.Set("X-Slack-Request-Timestamp", "now") }, verifier.ErrMismatch, "is not a time"},
		{"huge number", "slack", func(h http.Header, v vendor) { v.sign(h, v.secret, strings.Repeat("9", 400), v.body) }, verifier.ErrMismatch, "is not a time"},
		{"signed year 292277026596", "slack", func(h http.Header, v vendor) { v.sign(h, v.secret, "9223372036854775807", v.body) }, verifier.ErrMismatch, "is not a time"},
		{"signed negative", "slack", func(h http.Header, v vendor) { v.sign(h, v.secret, "-1", v.body) }, verifier.ErrMismatch, "is not a time"},
		{"two times", "stripe", func(h http.Header, _ vendor) { h.Set("Stripe-Signature", "t=1,"+h.Get("Stripe-Signature")) }, verifier.ErrMismatch, `has "t=" 2 times`},
		{"no time in the list", "stripe", func(h http.Header, v vendor) { h.Set("Stripe-Signature", "v1="+hexMAC(v.secret, v.body)) }, verifier.ErrMismatch, `has "t=" 0 times`},
		{"v0 alone", "stripe", func(h http.Header, v vendor) {
			h.Set("Stripe-Signature", "t="+at+",v0="+hexMAC(v.secret, at+"."+v.body))
		}, verifier.ErrMismatch, ""},
		{"the second of two", "stripe", func(h http.Header, _ vendor) {
			h.Set("Stripe-Signature", strings.Replace(h.Get("Stripe-Signature"), ",v1=", ", v1="+strings.Repeat("0", 64)+", v1=", 1))
		}, nil, ""},
		{"cut at its commas", "stripe", func(h http.Header, _ vendor) { h["Stripe-Signature"] = strings.Split(h.Get("Stripe-Signature"), ",") }, nil, ""},
		{"a million", "stripe", func(h http.Header, _ vendor) {
			h.Set("Stripe-Signature", h.Get("Stripe-Signature")+strings.Repeat(",v1=", 1_000_000))
		}, nil, ""},
		{"cut at its commas", "svix", func(h http.Header, _ vendor) {
			h["Svix-Signature"] = strings.Split("v1,x= "+h.Get("Svix-Signature"), ",")
		}, nil, ""},
		{"cut at its spaces", "svix", func(h http.Header, _ vendor) {
			h["Svix-Signature"] = []string{"v1a,x", "v1,x=", h.Get("Svix-Signature")}
		}, nil, ""},
		{"under the standard's names", "svix", func(h http.Header, v vendor) {
			signStandard("webhook-")(h, v.secret, at, v.body)
			for _, name := range []string{"Svix-Id", "Svix-Timestamp", "Svix-Signature"} {
				h.Del(name)
			}
		}, nil, ""},
		{"under other names", "standardwebhooks", func(h http.Header, v vendor) {
			signStandard("svix-")(h, v.secret, at, v.body)
			h.Del("Webhook-Signature")
		}, verifier.ErrMissingSignature, "there is no Webhook-Signature"},
		{"empty id", "svix", func(h http.Header, _ vendor) { h.Set("Svix-Id", "") }, verifier.ErrMismatch, ""},
		{"id with a dot", "svix", func(h http.Header, v vendor) {
			body := strconv.FormatInt(now.Unix(), 10) + "." + v.body
			key, _ := base64.StdEncoding.DecodeString(v.secret)
			h.Set("Svix-Id", "msg_1.1")
			h.Set("Svix-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac(sha256.New, string(key), "msg_1.1."+body)))
		}, verifier.ErrMismatch, `has "." in it`},
	} {
		t.Run(tt.vendor+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			v := find(t, tt.vendor)
			h := v.signed(v.secret, now, v.contentType, v.body)
			tt.change(h, v)
			_, err := v.verifier(t, provider.Options{}).Verify(h, []byte(v.body))
			if tt.err == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tt.err)
			require.ErrorContains(t, err, tt.text)
			require.NotContains(t, err.Error(), hexMAC(v.secret, v.body))
		})
	}
}

func TestTwilioForms(t *testing.T) {
	t.Parallel()
	v := find(t, "twilio")
	made := v.verifier(t, provider.Options{})
	h := v.signed(v.secret, now, formType, "A=1&B=2")
	h.Del("I-Twilio-Idempotency-Token")
	e, err := made.Verify(h, []byte("A=1&B=2"))
	require.NoError(t, err)
	require.Equal(t, "evt_"+hexSum("twilio\nA1B2"), e.ID)
	// What the signature does not cover is not in the event, so that a captured request
	// cannot come again as another.
	for _, same := range []string{"B=2&A=1", "A=1&A=1&B=2", "%41=1&B=2&"} {
		again, err := made.Verify(h, []byte(same))
		require.NoError(t, err, same)
		require.Equal(t, e.ID, again.ID, same)
		require.Equal(t, e.Data, again.Data, same)
	}
	for _, other := range []string{"A=2&B=1", "A=1", "A=1&B=2&C=3", "A=1&B=2&B=3", "", "A=1&B=%zz", `{"A":1}`} {
		_, err := made.Verify(h, []byte(other))
		require.ErrorIs(t, err, verifier.ErrMismatch, other)
	}
	// Sorted, each once: https://github.com/twilio/twilio-node/blob/main/src/webhooks/webhooks.ts
	h.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac(sha1.New, v.secret, address+"A1A2")))
	e, err = made.Verify(h, []byte("A=2&A=1&A=2"))
	require.NoError(t, err)
	require.Equal(t, json.RawMessage(`{"A":["1","2"]}`), e.Data)

	body := `{"a":1}`
	h = v.signed(v.secret, now, jsonType, body)
	_, err = made.Verify(h, []byte(body))
	require.NoError(t, err)
	h.Set("Content-Type", formType)
	_, err = made.Verify(h, []byte(url.QueryEscape("&bodySHA256="+hexSum(body))))
	require.ErrorIs(t, err, verifier.ErrMismatch, "a form with what was signed for JSON")
}

func TestTwilioAddresses(t *testing.T) {
	t.Parallel()
	for configured, called := range map[string]string{
		"https://example.com":                    "https://example.com:443",
		"http://example.com/a?b":                 "http://example.com:80/a?b",
		"https://example.com:8443/a":             "https://example.com/a",
		"https://[::1]:8443/a":                   "https://[::1]/a",
		"https://[::1]/a":                        "https://[::1]:443/a",
		"https://example.com:1@example.com/@":    "https://example.com:1@example.com:443/@",
		"https://example.com/a#rc=2&ct=100":      "https://example.com/a",
		"https://example.com?u=https://a.b:80/c": "https://example.com:443?u=https://a.b:80/c",
	} {
		made, err := provider.Twilio("a", &provider.Options{URL: configured})
		require.NoError(t, err)
		h := http.Header{"Content-Type": {formType}}
		for _, signed := range []string{strings.Split(configured, "#")[0], called} {
			h.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac(sha1.New, "a", signed+"A1")))
			_, err = made.Verify(h, []byte("A=1"))
			require.NoError(t, err, signed)
		}
		h.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac(sha1.New, "a", "https://example.org/a"+"A1")))
		_, err = made.Verify(h, []byte("A=1"))
		require.ErrorIs(t, err, verifier.ErrMismatch)
	}
}

func TestPublicKeys(t *testing.T) {
	t.Parallel()
	private := signer.NewPrivateKey()
	s, err := signer.NewAsymmetric(private)
	require.NoError(t, err)
	v := find(t, "svix")
	public := private.Public().String()
	made, err := provider.Svix(v.secret, &provider.Options{OtherSecrets: []string{public}, Now: atNow})
	require.NoError(t, err)
	for _, prefix := range []string{"svix-", "webhook-"} {
		h := http.Header{}
		h.Set(prefix+"id", "msg_1")
		h.Set(prefix+"timestamp", strconv.FormatInt(now.Unix(), 10))
		h.Set(prefix+"signature", "v1,x "+string(s.AppendStandard(nil, "msg_1", now, []byte(v.body))))
		e, key, err := made.VerifyKey(h, []byte(v.body))
		require.NoError(t, err)
		require.Equal(t, 1, key)
		require.Equal(t, "msg_1", e.ID)
		_, err = made.Verify(h, []byte(v.body+" "))
		require.ErrorIs(t, err, verifier.ErrMismatch)
		// The public key is no secret: nothing that is signed with it counts.
		signStandard(prefix)(h, public, strconv.FormatInt(now.Unix(), 10), v.body)
		_, err = made.Verify(h, []byte(v.body))
		require.ErrorIs(t, err, verifier.ErrMismatch)
	}
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	slack := `{"token":"x","challenge":"3eZbrw1a","type":"url_verification"}`
	zoom := `{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}`
	for _, tt := range []struct{ name, vendor, body, secret, answer string }{
		{"Slack", "slack", slack, "", "3eZbrw1a"},
		{"Slack, other secret", "slack", slack, "b", "3eZbrw1a"},
		{"Slack, unknown secret", "slack", slack, "c", ""},
		{"Slack, nothing to say", "slack", `{"type":"url_verification"}`, "", ""},
		{"Slack, event", "slack", `{"type":"event_callback","challenge":"x"}`, "", ""},
		{"Zoom", "zoom", zoom, "", fmt.Sprintf(`{"encryptedToken":%q,"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}`, hexMAC("a", "qgg8vlvZRS6UYooatFL8Aw"))},
		{"Zoom, other secret", "zoom", zoom, "b", fmt.Sprintf(`{"encryptedToken":%q,"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}`, hexMAC("b", "qgg8vlvZRS6UYooatFL8Aw"))},
		{"Zoom, unknown secret", "zoom", zoom, "c", ""},
		{"Zoom, no token", "zoom", `{"payload":{},"event":"endpoint.url_validation"}`, "", ""},
		{"Zoom, event", "zoom", `{"event":"meeting.started"}`, "", ""},
		{"GitHub", "github", slack, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := find(t, tt.vendor)
			if tt.secret == "" {
				tt.secret = v.secret
			}
			h := v.signed(tt.secret, now, jsonType, tt.body)
			answer, ok := v.verifier(t, provider.Options{OtherSecrets: []string{"b"}}).Challenge(h, []byte(tt.body))
			require.Equal(t, tt.answer != "", ok)
			require.Equal(t, tt.answer, string(answer))
			late := v.verifier(t, provider.Options{Now: func() time.Time { return now.Add(time.Hour) }})
			_, ok = late.Challenge(h, []byte(tt.body))
			require.False(t, ok, "nobody may ask again")
		})
	}
}

// TestMiddleware has what the middleware asks a Verifier for beside the event.
func TestMiddleware(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, vendor, secret, contentType, body string
		status                                  int
		answer                                  string
	}{
		{"form", "twilio", "b", formType, "MessageStatus=sent", 200, "1 sent"},
		{"form with a character set", "github", "a", formType + "; charset=UTF-8", "payload=%7B%7D", 200, "0 pull_request"},
		{"form where there are none", "stripe", "a", formType, "a=b", 415, `{"error":"unsupported media type: send application/json in UTF-8"}`},
		{"challenge", "slack", "b", jsonType, `{"type":"url_verification","challenge":"3eZbrw1a"}`, 200, "3eZbrw1a"},
		{"challenge of a stranger", "slack", "c", jsonType, `{"type":"url_verification","challenge":"3eZbrw1a"}`, 401, `{"error":"invalid signature"}`},
		{"no event", "github", "a", jsonType, "Hello, World!", 400, `{"error":"invalid event"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := find(t, tt.vendor)
			middleware, err := verifier.MiddlewareFor(v.verifier(t, provider.Options{OtherSecrets: []string{"b"}}), nil)
			require.NoError(t, err)
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body))
			r.Header = v.signed(tt.secret, now, tt.contentType, tt.body)
			w := httptest.NewRecorder()
			middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				m, _ := verifier.MessageFromContext(r.Context())
				fmt.Fprint(w, m.Key, " ", m.Event.Type)
			})).ServeHTTP(w, r)
			require.Equal(t, tt.status, w.Code)
			require.Equal(t, tt.answer, w.Body.String())
		})
	}
}

// TestSecretsOfEachRequest are asked for once, also of a sender that may ask first.
func TestSecretsOfEachRequest(t *testing.T) {
	t.Parallel()
	asked := 0
	v, err := provider.Slack("", &provider.Options{Secrets: func() ([]string, error) {
		asked++
		return []string{"a"}, nil
	}})
	require.NoError(t, err)
	middleware, err := verifier.MiddlewareFor(v, nil)
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"type":"event_callback"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Slack-Signature", "v0=00")
	r.Header.Set("X-Slack-Request-Timestamp", "1")
	asked = 0 // New asks, too.
	middleware(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, 1, asked)
}

// TestLongBodies of GitHub are let in unless the host has another limit.
func TestLongBodies(t *testing.T) {
	t.Parallel()
	long := `"` + strings.Repeat("x", 2<<20) + `"`
	for name, tt := range map[string]struct {
		new  func(string, *provider.Options) (*provider.Verifier, error)
		opts *verifier.Options
		want int
	}{
		"GitHub":            {provider.GitHub, nil, http.StatusUnauthorized},
		"GitHub, one's own": {provider.GitHub, &verifier.Options{MaxBody: 1 << 20}, http.StatusRequestEntityTooLarge},
		"Stripe":            {provider.Stripe, nil, http.StatusRequestEntityTooLarge},
	} {
		v, err := tt.new("a", nil)
		require.NoError(t, err)
		middleware, err := verifier.MiddlewareFor(v, tt.opts)
		require.NoError(t, err)
		r, w := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(long)), httptest.NewRecorder()
		r.Header.Set("Content-Type", "application/json")
		middleware(http.NotFoundHandler()).ServeHTTP(w, r)
		require.Equal(t, tt.want, w.Code, name)
	}
}
