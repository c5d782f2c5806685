package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/event"
)

// foreign is what customers of Acme must not meet: somebody else's brand, noun, headers or
// events.
func foreign() []*regexp.Regexp {
	out := []*regexp.Regexp{
		regexp.MustCompile(`\bRAG|(?i:\brag\b)`),
		regexp.MustCompile(`(?i)merchant`),
		regexp.MustCompile(`(?i)\bX-Webhook-`),
	}
	for e := range event.DefaultCatalog().All() {
		if e.Type != event.TypeWebhookTest {
			out = append(out, regexp.MustCompile(`\b`+regexp.QuoteMeta(string(e.Type))))
		}
	}
	return out
}

// allowed is what of it stays, because programs read it: names of JSON members, of parameters
// and of keys in the log. Each is allowed where it is said, and nowhere else.
func allowed() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		"API":     regexp.MustCompile(`"(merchantId|merchants)":|"field":"(selection\.)?(merchantId|merchants)\b`),
		"OpenAPI": regexp.MustCompile("\\bmerchantId\\b|(?m:^\\s*-? *merchants:?$)|[\"`]merchants[\"`]|\\[(\\w+, )*merchants[\\],]"),
		"portal":  regexp.MustCompile(`\b(id|for|name)="merchants"`),
		"log":     regexp.MustCompile(`\bmerchant_id=`),
	}
}

// wanted is what has to be there, which a service that says nothing would lack.
func wanted() map[string][]string {
	return map[string][]string{
		"API":     {"shop_1", "order.paid"},
		"OpenAPI": {"Acme", "/shops/{", "/operator/shops", "X-Acme-Signature", "parcel.handed_over"},
		"portal":  {"Acme", "order.paid", "An order was paid", "shops"},
		"mail":    {"Acme: Your webhook"},
		"request": {"User-Agent: Acme-Webhooks/1.0", "X-Acme-Event: order.paid", "X-Acme-Signature: sha256=", "X-Acme-Id: whk_", "X-Acme-Delivery-Id: whdel_", "Webhook-Signature: v1,"},
		"log":     {"listening"},
	}
}

// TestAcme runs the service of a company called Acme, whose merchants are shops and which has
// two events of its own, and reads all that leaves it.
func TestAcme(t *testing.T) {
	t.Parallel()
	a := startAcme(t)
	a.deliver()
	a.walkPortal("shop", a.shop)
	a.walkPortal("operator", a.operator)
	a.walkAPI()
	require.NoError(t, a.stop())
	a.leaves("log", "all lines", a.log.String())
	if findings := a.findings(); len(findings) > 0 {
		require.FailNow(t, "customers of Acme meet somebody else", "%d times:\n%s", len(findings), strings.Join(findings, "\n"))
	}
}

// acme is the running service with what has left it.
type acme struct {
	t              *testing.T
	base           string
	stop           func() error
	shop, operator string // tokens
	mail           *mailServer
	receiver       *httptest.Server
	log            lockedText

	mu   sync.Mutex
	left map[string][]leaf // by where
}

// leaf is a text that has left the service.
type leaf struct{ what, text string }

func startAcme(t *testing.T) *acme {
	t.Helper()
	a := &acme{t: t, mail: &mailServer{}, left: map[string][]leaf{}}
	a.receiver = httptest.NewServer(http.HandlerFunc(a.receive))
	t.Cleanup(a.receiver.Close)
	c, err := parse([]string{
		"-title", "Acme", "-tenant", "shop", "-catalog", "testdata/acme.json", "-wire-prefix", "X-Acme-",
		"-addr", "127.0.0.1:0", "-store", inMemory, "-jwt-secret", secret, "-insecure-allow-http", "-insecure-allow-private-networks",
		"-max-attempts", "1", "-disable-after", "2",
		"-smtp-host", "127.0.0.1", "-smtp-port", a.mail.start(t), "-mail-from", "hooks@acme.example", "-mail-to", "shop@example.com",
	}, io.Discard)
	require.NoError(t, err)
	c.mail.opts.InsecurePlaintext = true // The mail server is this process.
	a.base, a.stop = watch(t, &a.log, func(ctx context.Context, stderr io.Writer) error { return c.run(ctx, stderr) })
	for _, who := range []struct {
		token *string
		id    string
	}{{&a.shop, "shop_1"}, {&a.operator, anyMerchant}} {
		*who.token, err = newToken([]byte(secret), who.id, &c.jwt, time.Hour)
		require.NoError(t, err)
	}
	return a
}

// receive is the endpoint of a shop. It fails at /down.
func (a *acme) receive(w http.ResponseWriter, r *http.Request) {
	dump, err := httputil.DumpRequest(r, true)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	a.leaves("request", r.URL.Path, string(dump))
	if r.URL.Path == "/down" {
		w.WriteHeader(http.StatusBadGateway)
	}
}

func (a *acme) leaves(where, what, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left[where] = append(a.left[where], leaf{what, text})
}

// ask asks the API and keeps the answer.
func (a *acme) ask(method, path, bearer, body string) (int, map[string]any) {
	a.t.Helper()
	status, text := a.send(method, "/api"+path, bearer, body)
	a.leaves("API", fmt.Sprintf("%s %s, %d", method, path, status), text)
	var out struct {
		Data map[string]any `json:"data"`
	}
	if method != http.MethodHead {
		require.NoError(a.t, json.Unmarshal([]byte(text), &out), "%s %s: %s", method, path, text)
	}
	return status, out.Data
}

// send returns the answer with its headers.
func (a *acme) send(method, path, bearer, body string) (int, string) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, strings.NewReader(body))
	require.NoError(a.t, err)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	status, text := text(a.t, resp, err)
	for name, values := range resp.Header {
		a.leaves("API", method+" "+path, name+": "+strings.Join(values, ", "))
	}
	return status, text
}

// segment is where the API answers for a shop, as its document says.
func (a *acme) segment() string {
	for path := range a.document() {
		if first, _, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/{"); ok && !strings.Contains(first, "/") {
			return first
		}
	}
	require.FailNow(a.t, "the document has no path of a shop")
	return ""
}

// document returns the paths of the OpenAPI document with their methods.
func (a *acme) document() map[string]map[string]any {
	a.t.Helper()
	_, text := a.send(http.MethodGet, "/api/openapi.json", "", "")
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	require.NoError(a.t, json.Unmarshal([]byte(text), &doc))
	require.NotEmpty(a.t, doc.Paths)
	return doc.Paths
}

// deliver registers two endpoints, publishes both types, and waits until one endpoint has what
// it should and the owner of the other knows that it fails.
func (a *acme) deliver() {
	a.t.Helper()
	own := "/" + a.segment() + "/shop_1"
	for _, path := range []string{"/up", "/down"} {
		status, out := a.ask(http.MethodPost, own+"/webhooks", a.shop, `{"url":"`+a.receiver.URL+path+`","events":["order.paid","parcel.handed_over"]}`)
		require.Equal(a.t, http.StatusCreated, status, out)
	}
	for _, e := range []string{`{"type":"order.paid","id":"evt_1","data":{"orderId":"order_7"}}`, `{"type":"parcel.handed_over","id":"evt_2","data":{"parcelId":"parcel_3"}}`} {
		status, out := a.ask(http.MethodPost, own+"/events", a.shop, e)
		require.Equal(a.t, http.StatusAccepted, status, out)
	}
	require.Eventually(a.t, func() bool {
		a.mail.mu.Lock()
		defer a.mail.mu.Unlock()
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.left["request"]) == 4 && strings.Contains(strings.Join(a.mail.mails, ""), "has been disabled")
	}, 30*time.Second, 10*time.Millisecond)
	a.mail.mu.Lock()
	defer a.mail.mu.Unlock()
	for _, m := range a.mail.mails {
		a.leaves("mail", "to a shop", decoded(a.t, m))
	}
}

// findings are all places where something is foreign, or where something is missing.
func (a *acme) findings() (out []string) {
	seen := map[string]bool{}
	for _, where := range slices.Sorted(maps.Keys(a.left)) {
		var all strings.Builder
		for _, l := range a.left[where] {
			text := html.UnescapeString(l.text)
			all.WriteString(text + "\n")
			if allow := allowed()[where]; allow != nil {
				text = allow.ReplaceAllString(text, "…")
			}
			for _, word := range foreign() {
				for _, at := range word.FindAllStringIndex(text, -1) {
					said := around(text, at)
					if key := where + said; !seen[key] {
						seen[key] = true
						out = append(out, fmt.Sprintf("%s, %s: …%s…", where, l.what, said))
					}
				}
			}
		}
		for _, want := range wanted()[where] {
			if !strings.Contains(all.String(), want) {
				out = append(out, fmt.Sprintf("%s: nothing says %q", where, want))
			}
		}
	}
	for where := range wanted() {
		if len(a.left[where]) == 0 {
			out = append(out, where+": nothing was read")
		}
	}
	return out
}

// around returns a match with what stands beside it, alike for all ids.
func around(text string, at []int) string {
	near := strings.ToValidUTF8(text[max(0, at[0]-50):min(len(text), at[1]+50)], "")
	return ids.ReplaceAllString(strings.Join(strings.Fields(near), " "), "*")
}

// lockedText is written by the service and read at its end.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
