package explain_test

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

// proven are the codes of which a request needs one as a cause, by what the middleware answers it.
var proven = map[int]codes{
	400: {explain.EventMalformed, explain.EventType, explain.Stale},
	405: {explain.Method},
	413: {explain.BodyLong},
	415: {explain.ContentType, explain.ContentCoding},
	500: {explain.BodyTruncated},
}

// TestExplainJudgesAsTheMiddleware plays requests with some of these things done to them
// through both. A verdict or a reason that drifts apart is found here.
func TestExplainJudgesAsTheMiddleware(t *testing.T) {
	t.Parallel()
	seen := map[int]int{}
	for seed := range uint64(800) {
		method, c, o := generated(t, rand.New(rand.NewPCG(seed, 1)))
		secret, body := c.secrets[0], c.body
		v, err := verifier.New(secret, o)
		require.NoError(t, err)
		req := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
		req.Header = c.header.Clone()
		if length, err := strconv.ParseInt(c.header.Get("Content-Length"), 10, 64); err == nil && length >= 0 { // As net/http's server does.
			req.ContentLength = length
		}
		w := httptest.NewRecorder()
		v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, req)
		capture := explain.Capture{Method: method, Header: c.header, Body: []byte(body)}
		r := capture.Explain(o, c.secrets...)

		seen[w.Code]++
		require.Equal(t, w.Code, r.Status, "seed %d: %v", seed, r)
		require.Equal(t, w.Code == http.StatusOK, r.Verified, "seed %d", seed)
		require.Equal(t, r.Verified, len(causes(r)) == 0, "seed %d: a request that is refused has a cause, and no other: %v", seed, r)
		if w.Code == http.StatusUnsupportedMediaType {
			require.Equal(t, strings.Contains(w.Body.String(), "encoding"), r.Has(explain.ContentCoding), "seed %d: %v", seed, r)
		}
		if want := proven[w.Code]; want != nil {
			require.True(t, slices.ContainsFunc(want, func(c explain.Code) bool { return slices.Contains(causes(r), c) }), "seed %d: %v", seed, r)
		}
	}
	for _, status := range []int{200, 400, 401, 405, 413, 415, 500} {
		require.Greater(t, seen[status], 5, "%d: the requests say nothing of it: %v", status, seen)
	}
}

// sometimes returns the first of the values, and each of them now and then.
func sometimes(rng *rand.Rand, values ...string) string {
	if rng.IntN(4) > 0 {
		return values[0]
	}
	return values[rng.IntN(len(values))]
}

// generated is a request with some things done to it, and what its receiver is set to.
func generated(t *testing.T, rng *rand.Rand) (string, *capture, *verifier.Options) {
	t.Helper()
	body := sometimes(rng, eventBody, "{}", "", "[object Object]", "b'{}'", `{"type":"Buffer","data":[123,125]}`, "2\r\n{}\r\n0\r\n\r\n", `{"id":`)
	c := arrived(t, body)
	o := &verifier.Options{
		AcceptUntimed: rng.IntN(2) > 0, Now: func() time.Time { return c.now },
		MaxBody: int64([]int{0, 0, 0, 150}[rng.IntN(4)]), MaxAge: []time.Duration{0, 0, time.Minute}[rng.IntN(3)],
		Wire: []signer.Wire{{}, {Prefix: "X-Acme-"}, {StandardOnly: true}}[rng.IntN(3)],
	}
	o.AcceptUntimed = o.AcceptUntimed && !o.Wire.StandardOnly
	if o.Wire.Prefix != "" {
		c.set("X-Acme-Signature", c.header.Get("X-Webhook-Signature"))
	}
	c.now = testTime.Add([]time.Duration{0, 0, 0, time.Hour, -time.Hour, 2 * time.Minute}[rng.IntN(6)])
	c.header["Content-Type"] = strings.Split(sometimes(rng, "application/json", "application/json; charset=UTF-8", "application/json; charset=latin1",
		"Application/JSON", "text/plain", "", "application/json|application/json", "application/json; charset", "application/cloudevents+json"), "|")
	c.header["Content-Encoding"] = strings.Split(sometimes(rng, "", "identity", "gzip", "identity|gzip", " ", "Identity", "gzip|identity"), "|")
	c.set("Content-Length", sometimes(rng, strconv.Itoa(len(body)), "", "x", "-1", "5000", "1", "99999999"))
	c.set("X-Webhook-Event", sometimes(rng, "document.created", "document.deleted"))
	for _, name := range []string{"X-Webhook-Signature", "X-Acme-Signature", "webhook-signature", "webhook-id", "webhook-timestamp", "X-Webhook-Event"} {
		switch rng.IntN(12) {
		case 0:
			c.header.Del(name)
		case 1:
			c.header.Add(name, c.header.Get(name))
		case 2:
			c.set(name, c.header.Get(name)+"0")
		}
	}
	if rng.IntN(6) == 0 {
		c.untimedOnly()
	}
	c.secrets = []string{sometimes(rng, secretA, secretB), secretB}
	return sometimes(rng, http.MethodPost, http.MethodGet, http.MethodPut, "post"), c, o
}

// The caller's OnReject is what asks, most often.
func TestExplainInOnReject(t *testing.T) {
	t.Parallel()
	c := arrived(t, eventBody)
	c.set("X-Webhook-Event", "document.deleted")
	o, calls := c.options(), 0
	o.OnReject = func(r *http.Request, _ int, _ error) {
		calls++
		require.Equal(t, codes{explain.EventType}, causes(explain.With(o, r.Header, []byte(c.body), secretA)))
	}
	v, err := verifier.New(secretA, o)
	require.NoError(t, err)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(c.body))
	req.Header = c.header
	v.Middleware(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), req)
	require.Equal(t, 1, calls)
}

func TestSetup(t *testing.T) {
	t.Parallel()
	c := arrived(t, eventBody)
	for _, change := range []func(o *verifier.Options){
		func(o *verifier.Options) { o.MaxBody = -1 },
		func(o *verifier.Options) { o.OtherSecrets = []string{"x"} },
	} {
		o := c.options()
		change(o)
		r := explain.With(o, c.header, []byte(c.body), secretA)
		require.Equal(t, codes{explain.Setup}, causes(r), r)
		require.Zero(t, r.Status)
		require.Contains(t, r.String(), "The request does not verify.\n")
	}
}

func TestVendors(t *testing.T) {
	t.Parallel()
	for header, constructor := range map[string]string{
		"X-Hub-Signature-256": "GitHub", "Stripe-Signature": "Stripe", "X-Slack-Signature": "Slack", "X-Shopify-Hmac-Sha256": "Shopify",
		"X-Twilio-Signature": "Twilio", "Paddle-Signature": "Paddle", "X-Zm-Signature": "Zoom",
	} {
		c := arrived(t, eventBody)
		c.untimedOnly()
		c.set(header, c.header.Get("X-Webhook-Signature"))
		require.False(t, c.explain().Has(explain.SchemeVendor), "the receiver's own header counts")
		c.standardOnly()
		c.secrets = []string{"of-the-vendor"}
		r := c.explain()
		require.Equal(t, codes{explain.SchemeVendor}, causes(r), r)
		require.Contains(t, r.String(), "provider."+constructor+" of")
	}
}
