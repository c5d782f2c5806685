package explain_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

const (
	secretA   = "whsec_xyz789abc123def456ghi789jkl012mno345"
	ownSecret = "sk_live/of-another-sender"
	secretB   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

	eventBody = `{"created":"2025-11-04T12:00:00Z","data":{"documentId":"doc_1","price":200,"title":"Café <b> & a/b – 9 €"},` +
		`"id":"evt_1","type":"document.created"}`
)

var testTime = time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC)

// capture is a request as it arrived, and what the receiver knows.
type capture struct {
	header  http.Header
	body    string
	secrets []string
	now     time.Time
	untimed bool // the receiver accepts X-Webhook-Signature alone
}

func (c *capture) explain() explain.Report {
	return explain.With(c.options(), c.header, []byte(c.body), c.secrets...)
}

func (c *capture) options() *verifier.Options {
	return &verifier.Options{AcceptUntimed: c.untimed, Now: func() time.Time { return c.now }}
}

func (c *capture) set(name, value string) { c.header.Set(name, value) }

// untimedOnly leaves X-Webhook-Signature and removes the other, of a sender for which
// the receiver accepts that.
func (c *capture) untimedOnly() {
	c.untimed = true
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		c.header.Del(name)
	}
}

// svix gives the headers of Standard Webhooks their other names.
func (c *capture) svix() {
	for _, name := range []string{"Id", "Timestamp", "Signature"} {
		c.header["Svix-"+name] = c.header["Webhook-"+name]
		c.header.Del("webhook-" + name)
	}
}

func (c *capture) standardOnly() { c.header.Del("X-Webhook-Signature") }

// arrived is a request signed with secretA in both ways, that verifies.
func arrived(tb testing.TB, body string) *capture {
	tb.Helper()
	secret, err := signer.ParseSecret(secretA)
	require.NoError(tb, err)
	s, err := signer.New(secret)
	require.NoError(tb, err)
	c := &capture{header: http.Header{}, body: body, secrets: []string{secretA}, now: testTime}
	c.set("Content-Type", "application/json")
	c.set("X-Webhook-Signature", string(s.AppendSignature(nil, []byte(body))))
	c.set("X-Webhook-Event", "document.created")
	c.set("X-Webhook-Delivery-ID", "whdel_1")
	c.set("webhook-id", "evt_1")
	c.set("webhook-timestamp", strconv.FormatInt(testTime.Unix(), 10))
	c.set("webhook-signature", string(s.AppendStandard(nil, "evt_1", testTime, []byte(body))))
	return c
}

func mac(h func() hash.Hash, key, text string) []byte {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// untimed signs text as in X-Webhook-Signature, with any key.
func untimed(key, text string) string {
	return "sha256=" + hex.EncodeToString(mac(sha256.New, key, text))
}

// standard signs text as Standard Webhooks says, with any key.
func standard(key, text string) string {
	return "v1," + base64.StdEncoding.EncodeToString(mac(sha256.New, key, text))
}

func decoded(secret string) string {
	raw, _ := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	return string(raw)
}

func causes(r explain.Report) []explain.Code {
	codes := []explain.Code{}
	for _, f := range r.Findings {
		if f.Cause {
			codes = append(codes, f.Code)
		}
	}
	return codes
}

// rewrite reads the body and writes it with change's way of writing JSON.
func rewrite(write func(v any) []byte) func(c *capture) {
	return func(c *capture) {
		var v any
		if err := json.Unmarshal([]byte(c.body), &v); err != nil {
			panic(err)
		}
		c.body = string(write(v))
	}
}

func marshal(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}

// pythonBytes is repr(body) of Python.
func pythonBytes(body string) string {
	var b strings.Builder
	for _, c := range []byte(body) {
		switch {
		case c == '\\':
			b.WriteString(`\\`)
		case c < ' ' || c > '~':
			b.WriteString(`\x` + hex.EncodeToString([]byte{c}))
		default:
			b.WriteByte(c)
		}
	}
	return "b'" + b.String() + "'"
}

func escaped(body string) string {
	var b strings.Builder
	for _, r := range body {
		if r < 0x7f {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			b.WriteString(`\u` + hex.EncodeToString([]byte{byte(unit >> 8), byte(unit)}))
		}
	}
	return b.String()
}
