package explain_test

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

const (
	secretA = "whsec_xyz789abc123def456ghi789jkl012mno345"
	secretB = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

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
}

func (c *capture) explain() explain.Report {
	return explain.At(c.now, c.header, []byte(c.body), c.secrets...)
}

func (c *capture) set(name, value string) { c.header.Set(name, value) }

// guideOnly leaves the guide's signature alone.
func (c *capture) guideOnly() {
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		c.header.Del(name)
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
	c := &capture{http.Header{}, body, []string{secretA}, testTime}
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

// guide signs text as the guide says, with any key.
func guide(key, text string) string {
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

type codes = []explain.Code

// cases are requests that do not verify, each with all of its causes.
var cases = []struct {
	name   string
	change func(c *capture)
	want   codes
}{
	// Headers.
	{"no header", func(c *capture) { c.guideOnly(); c.standardOnly() }, codes{explain.HeaderMissing}},
	{"empty header", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", " ") }, codes{explain.HeaderMissing}},
	{"CGI's name", func(c *capture) {
		c.guideOnly()
		c.header["HTTP_X_WEBHOOK_SIGNATURE"] = c.header["X-Webhook-Signature"]
		c.standardOnly()
	}, codes{explain.HeaderMoved}},
	{"lower case in a map", func(c *capture) {
		c.guideOnly()
		c.header["x-webhook-signature"] = c.header["X-Webhook-Signature"]
		c.standardOnly()
	}, codes{explain.HeaderMoved}},
	{"another name", func(c *capture) {
		c.guideOnly()
		c.header["X-Hub-Signature-256"] = c.header["X-Webhook-Signature"]
		c.standardOnly()
	}, codes{explain.HeaderMoved}},
	{"svix's names", func(c *capture) {
		for _, name := range []string{"Id", "Timestamp", "Signature"} {
			c.header["Svix-"+name] = c.header["Webhook-"+name]
		}
		c.guideOnly()
		c.standardOnly()
	}, codes{explain.HeaderMoved, explain.HeaderMoved, explain.HeaderMoved}},
	{"doubled", func(c *capture) {
		c.guideOnly()
		c.header.Add("X-Webhook-Signature", c.header.Get("X-Webhook-Signature"))
	}, codes{explain.HeaderRepeated}},
	{"doubled with a wrong one", func(c *capture) {
		c.guideOnly()
		c.header["X-Webhook-Signature"] = []string{guide(secretB, c.body), guide(secretA, c.body)}
	}, codes{explain.HeaderRepeated}},
	{"joined", func(c *capture) {
		c.guideOnly()
		c.set("X-Webhook-Signature", guide(secretB, c.body)+", "+guide(secretA, c.body))
	}, codes{explain.HeaderJoined}},
	{"joined, Standard Webhooks", func(c *capture) {
		c.standardOnly()
		value := c.header.Get("webhook-signature")
		c.set("webhook-signature", value+", "+value[:20]+","+value)
	}, codes{explain.HeaderJoined}},
	{"quoted", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", `"`+guide(secretA, c.body)+`"`) }, codes{explain.Malformed}},
	{"sha1", func(c *capture) {
		c.guideOnly()
		c.set("X-Webhook-Signature", "sha1="+hex.EncodeToString(mac(sha1.New, secretA, c.body)))
	}, codes{explain.SchemeOther}},
	{"sha512, without a prefix", func(c *capture) {
		c.guideOnly()
		c.set("X-Webhook-Signature", hex.EncodeToString(mac(sha512.New, secretA, c.body)))
	}, codes{explain.Malformed}},
	{"md5", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", "md5=0123456789abcdef0123456789abcdef") }, codes{explain.SchemeOther}},
	{"without the prefix", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", guide(secretA, c.body)[7:]) }, codes{explain.Malformed}},
	{"prefix in upper case", func(c *capture) {
		c.guideOnly()
		c.set("X-Webhook-Signature", "SHA256="+guide(secretA, c.body)[7:])
	}, codes{explain.Malformed}},
	{"space behind the prefix", func(c *capture) {
		c.guideOnly()
		c.set("X-Webhook-Signature", "sha256= "+guide(secretA, c.body)[7:])
	}, codes{explain.Malformed}},
	{"63 digits", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", guide(secretA, c.body)[:70]) }, codes{explain.Malformed}},
	{"62 digits", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", guide(secretA, c.body)[:69]) }, codes{explain.Malformed}},
	{"base64", func(c *capture) {
		c.guideOnly()
		c.set("X-Webhook-Signature", "sha256="+base64.StdEncoding.EncodeToString(mac(sha256.New, secretA, c.body)))
	}, codes{explain.Malformed}},
	{"base64 without a prefix", func(c *capture) {
		c.guideOnly()
		c.set("X-Webhook-Signature", base64.StdEncoding.EncodeToString(mac(sha256.New, secretA, c.body)))
	}, codes{explain.Malformed}},
	{"nonsense", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", "signed, Joe") }, codes{explain.HeaderJoined, explain.Malformed}},
	{"Stripe's form", func(c *capture) {
		timestamp := c.header.Get("webhook-timestamp")
		c.guideOnly()
		c.set("webhook-timestamp", timestamp)
		c.set("X-Webhook-Signature", "t="+timestamp+",v1="+guide(secretA, timestamp+"."+c.body)[7:])
	}, codes{explain.SignedOther, explain.SchemeOther}},
	{"v1 in the guide's header", func(c *capture) {
		c.set("X-Webhook-Signature", c.header.Get("webhook-signature"))
		c.header.Del("webhook-signature")
	}, codes{explain.SchemeSwapped}},
	{"the guide's in webhook-signature", func(c *capture) {
		c.set("webhook-signature", c.header.Get("X-Webhook-Signature"))
		c.standardOnly()
	}, codes{explain.HeaderMoved, explain.SchemeSwapped}},
	{"hex of Standard Webhooks in the guide's header", func(c *capture) {
		text := "evt_1." + strconv.FormatInt(testTime.Unix(), 10) + "." + c.body
		c.set("X-Webhook-Signature", guide(decoded(secretA), text))
		c.header.Del("webhook-signature")
	}, codes{explain.SchemeSwapped}},
	{"no webhook-id", func(c *capture) { c.standardOnly(); c.header.Del("webhook-id") }, codes{explain.HeaderMissing}},
	{"no webhook-signature", func(c *capture) { c.standardOnly(); c.header.Del("webhook-signature") }, codes{explain.HeaderMissing}},
	{"an unknown version", func(c *capture) {
		c.standardOnly()
		c.set("webhook-signature", "v2,"+c.header.Get("webhook-signature")[3:])
	}, codes{explain.VersionUnknown}},
	{"without a version", func(c *capture) {
		c.standardOnly()
		c.set("webhook-signature", c.header.Get("webhook-signature")[3:])
	}, codes{explain.Malformed}},
	{"hex in webhook-signature", func(c *capture) {
		c.standardOnly()
		raw, _ := base64.StdEncoding.DecodeString(c.header.Get("webhook-signature")[3:])
		c.set("webhook-signature", "v1,"+hex.EncodeToString(raw))
	}, codes{explain.Malformed}},
	{"no padding", func(c *capture) {
		c.standardOnly()
		c.set("webhook-signature", strings.TrimRight(c.header.Get("webhook-signature"), "="))
	}, codes{explain.Malformed}},
	{"an id with a dot", func(c *capture) {
		c.standardOnly()
		c.set("webhook-id", "evt.1")
		c.set("webhook-signature", standard(decoded(secretA), "evt.1."+c.header.Get("webhook-timestamp")+"."+c.body))
	}, codes{explain.IDMalformed}},
	{"signed with the delivery's id", func(c *capture) {
		c.standardOnly()
		c.set("webhook-signature", standard(decoded(secretA), "whdel_1."+c.header.Get("webhook-timestamp")+"."+c.body))
	}, codes{explain.SignedOther}},
	{"the body alone", func(c *capture) {
		c.standardOnly()
		c.set("webhook-signature", standard(decoded(secretA), c.body))
	}, codes{explain.SignedOther}},
	{"the guide's MAC in base64", func(c *capture) {
		c.standardOnly()
		c.set("webhook-signature", standard(secretA, c.body))
	}, codes{explain.SchemeSwapped}},
	{"milliseconds", func(c *capture) {
		c.standardOnly()
		ms := strconv.FormatInt(testTime.UnixMilli(), 10)
		c.set("webhook-timestamp", ms)
		c.set("webhook-signature", standard(decoded(secretA), "evt_1."+ms+"."+c.body))
	}, codes{explain.TimeMalformed}},
	{"stale", func(c *capture) { c.now = testTime.Add(6 * time.Minute) }, codes{explain.Stale}},
	{"another event type", func(c *capture) { c.set("X-Webhook-Event", "document.deleted") }, codes{explain.EventType}},
	{"another event type, and a wrong signature beside the right one", func(c *capture) {
		c.set("X-Webhook-Event", "document.deleted")
		c.set("webhook-signature", standard(decoded(secretB), c.body))
	}, codes{explain.EventType}},
	{"not an event", func(c *capture) { *c = *arrived(new(testing.T), "{}") }, codes{explain.EventMalformed}},

	// Secrets.
	{"no secret", func(c *capture) { c.secrets = nil }, codes{explain.SecretMissing}},
	{"an empty secret", func(c *capture) { c.secrets = []string{""} }, codes{explain.SecretMissing, explain.SecretWrong}},
	{"another secret", func(c *capture) { c.secrets = []string{secretB} }, codes{explain.SecretWrong}},
	{"the older secret", func(c *capture) { c.secrets = []string{secretB, secretA} }, codes{explain.SecretOther}},
	{"the older secret, in quotes", func(c *capture) { c.secrets = []string{secretB, `"` + secretA + `"`} }, codes{explain.SecretQuoted, explain.SecretOther}},
	{"a line break behind the secret", func(c *capture) { c.secrets = []string{secretA + "\n"} }, codes{explain.SecretSpace}},
	{"quotes around the secret", func(c *capture) { c.secrets = []string{`"` + secretA + `"`} }, codes{explain.SecretQuoted}},
	{"a secret of the receiver's own", func(c *capture) {
		c.guideOnly()
		c.secrets = []string{"changeme"}
		c.set("X-Webhook-Signature", guide("changeme", c.body))
	}, codes{explain.SecretMalformed}},
	{"signed with a line break behind the secret", func(c *capture) {
		c.guideOnly()
		c.set("X-Webhook-Signature", guide(secretA+"\n", c.body))
	}, codes{explain.SecretSpace}},
	{"signed with quotes around the secret", func(c *capture) {
		c.guideOnly()
		c.set("X-Webhook-Signature", guide(`"`+secretA+`"`, c.body))
	}, codes{explain.SecretQuoted}},
	{"signed with the decoded secret", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", guide(decoded(secretA), c.body)) }, codes{explain.SecretKey}},
	{"signed without the prefix", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", guide(secretA[6:], c.body)) }, codes{explain.SecretKey}},
	{"signed with the text", func(c *capture) {
		c.standardOnly()
		c.set("webhook-signature", standard(secretA, "evt_1."+c.header.Get("webhook-timestamp")+"."+c.body))
	}, codes{explain.SecretKey}},
	{"signed with nothing", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", guide("", c.body)) }, codes{explain.SecretMissing}},
	{"signed with the mask", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", guide("whsec_***", c.body)) }, codes{explain.SecretMissing}},

	// The body.
	{"empty", func(c *capture) { c.body = "" }, codes{explain.BodyEmpty}},
	{"truncated", func(c *capture) { c.body = c.body[:len(c.body)-10] }, codes{explain.BodyTruncated}},
	{"shorter than its length", func(c *capture) { c.set("Content-Length", "5000"); c.body += "x" }, codes{explain.BodyTruncated}},
	{"changed", func(c *capture) { c.body = strings.Replace(c.body, "doc_1", "doc_2", 1) }, codes{explain.SecretWrong}},
	{"signed empty", func(c *capture) { c.guideOnly(); c.set("X-Webhook-Signature", guide(secretA, "")) }, codes{explain.BodyEmpty}},
	{"a line break more", func(c *capture) { c.body += "\n" }, codes{explain.BodyLineBreak}},
	{"a line break less", func(c *capture) { b := c.body; *c = *arrived(new(testing.T), b+"\n"); c.body = b }, codes{explain.BodyLineBreak}},
	{"CRLF", func(c *capture) { *c = *arrived(new(testing.T), "{\n}"); c.body = "{\r\n}" }, codes{explain.BodyLineBreak}},
	{"LF", func(c *capture) { *c = *arrived(new(testing.T), "{\r\n}"); c.body = "{\n}" }, codes{explain.BodyLineBreak}},
	{"space around", func(c *capture) { c.body = "  " + c.body + " " }, codes{explain.BodySpace}},
	{"a byte order mark", func(c *capture) { c.body = "\ufeff" + c.body }, codes{explain.BodyCharset}},
	{"Windows-1252 for UTF-8", func(c *capture) {
		c.body = strings.NewReplacer("é", "\xe9", "–", "\x96", "€", "\x80").Replace(c.body)
	}, codes{explain.BodyCharset}},
	{"UTF-8 twice, by way of Windows-1252", func(c *capture) {
		c.body = strings.NewReplacer("é", "Ã©", "–", "â€“", "€", "â‚¬").Replace(c.body)
	}, codes{explain.BodyCharset}},
	{"UTF-8 twice, by way of Latin-1", func(c *capture) {
		c.body = strings.NewReplacer("é", "Ã©", "–", "â\u0080\u0093", "€", "â\u0082¬").Replace(c.body)
	}, codes{explain.BodyCharset}},
	{"UTF-16", func(c *capture) {
		var b bytes.Buffer
		for _, unit := range utf16.Encode([]rune("\ufeff" + c.body)) {
			b.Write([]byte{byte(unit), byte(unit >> 8)})
		}
		c.body = b.String()
	}, codes{explain.BodyCharset}},
	{"form-encoded", func(c *capture) { c.body = url.Values{"payload": {c.body}, "x": {"1"}}.Encode() }, codes{explain.BodyForm}},
	{"escaped as a form", func(c *capture) { c.body = url.QueryEscape(c.body) }, codes{explain.BodyForm}},
	{"JSON twice", func(c *capture) { c.body = string(marshal(c.body)) }, codes{explain.BodyEncodedJSON}},
	{"JSON twice, signed", func(c *capture) {
		c.guideOnly()
		c.set("X-Webhook-Signature", guide(secretA, `"`+strings.ReplaceAll(c.body, `"`, `\"`)+`"`))
	}, codes{explain.BodyEncodedJSON}},
	{"base64 of a gateway", func(c *capture) { c.body = base64.StdEncoding.EncodeToString([]byte(c.body)) }, codes{explain.BodyBase64}},
	{"compressed", func(c *capture) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(c.body))
		_ = w.Close()
		c.body = b.String()
	}, codes{explain.BodyCompressed}},
	{"written by Go's json.Marshal", rewrite(marshal), codes{explain.BodyRewritten}},
	{"indented", rewrite(func(v any) []byte { out, _ := json.MarshalIndent(v, "", "  "); return out }), codes{explain.BodyRewritten}},
	{"indented by tabs, with a line break", func(c *capture) {
		rewrite(func(v any) []byte { out, _ := json.MarshalIndent(v, "", "\t"); return append(out, '\n') })(c)
	}, codes{explain.BodyRewritten}},
	{"written by Python", func(c *capture) {
		c.body = escaped(strings.NewReplacer(`":"`, `": "`, `","`, `", "`, `":{`, `": {`, `},"`, `}, "`, `,"title`, `, "title`, `":2`, `": 2`).Replace(c.body))
	}, codes{explain.BodyRewritten}},
	{"keys in the guide's order", func(c *capture) {
		b := c.body
		c.body = `{"id":"evt_1","type":"document.created","created":"2025-11-04T12:00:00Z","data":` + b[strings.Index(b, `{"doc`):strings.Index(b, `,"id"`)] + `}`
	}, codes{explain.BodyRewritten}},
	{"negative zero", func(c *capture) {
		*c = *arrived(new(testing.T), strings.Replace(c.body, "200", "0", 1))
		c.body = strings.Replace(c.body, ":0,", ":-0,", 1)
	}, codes{explain.BodyRewritten}},
	{"numbers as floats", func(c *capture) { c.body = strings.Replace(c.body, "200", "200.0", 1) }, codes{explain.BodyRewritten}},
	{"keys in the guide's order, as signed", func(c *capture) {
		b := c.body
		*c = *arrived(new(testing.T), `{"id":"evt_1","type":"document.created","created":"2025-11-04T12:00:00Z","data":`+
			b[strings.Index(b, `{"doc`):strings.Index(b, `,"id"`)]+`}`)
		c.body = b
	}, codes{explain.BodyRewritten}},
	{"ascii, as signed", func(c *capture) { b := c.body; *c = *arrived(new(testing.T), escaped(b)); c.body = b }, codes{explain.BodyRewritten}},
	{"html, as signed", func(c *capture) {
		b := c.body
		*c = *arrived(new(testing.T), strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`).Replace(b))
		c.body = b
	}, codes{explain.BodyRewritten}},
	{"written by PHP, as signed", func(c *capture) {
		b := c.body
		*c = *arrived(new(testing.T), strings.ReplaceAll(escaped(b), "/", `\/`))
		c.body = b
	}, codes{explain.BodyRewritten}},

	// Several at once.
	{"quoted secret and a line break more", func(c *capture) { c.secrets = []string{"'" + secretA + "'"}; c.body += "\n" }, codes{explain.SecretQuoted, explain.BodyLineBreak}},
	{"older secret, no prefix, indented", func(c *capture) {
		c.guideOnly()
		c.set("X-Webhook-Signature", guide(secretA, c.body)[7:])
		c.secrets = []string{secretB, secretA}
		rewrite(func(v any) []byte { out, _ := json.MarshalIndent(v, "", "  "); return out })(c)
	}, codes{explain.BodyRewritten, explain.SecretOther, explain.Malformed}},
	{"stale and rewritten", func(c *capture) { c.now = testTime.Add(time.Hour); rewrite(marshal)(c) }, codes{explain.BodyRewritten, explain.Stale}},
}

func TestCauses(t *testing.T) {
	t.Parallel()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := arrived(t, eventBody)
			tt.change(c)
			r := c.explain()
			require.False(t, r.Verified, r)
			require.Equal(t, tt.want, causes(r), r)
			for _, code := range tt.want {
				require.True(t, r.Has(code))
			}
		})
	}
}

// TestVerifiedIsTheVerifiers: package verifier says the same of all cases.
func TestVerifiedIsTheVerifiers(t *testing.T) {
	t.Parallel()
	c := arrived(t, eventBody)
	for _, keep := range []func(){func() {}, c.guideOnly} {
		keep()
		r := c.explain()
		require.True(t, r.Verified, r)
		require.Empty(t, causes(r))
		v, err := verifier.New(secretA, &verifier.Options{Now: func() time.Time { return testTime }})
		require.NoError(t, err)
		_, err = v.Verify(c.header, []byte(c.body))
		require.NoError(t, err)
	}
	require.Equal(t, "The request verifies.\n", c.explain().String())
}

// TestObservations are findings that are no reason.
func TestObservations(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		change   func(c *capture)
		verified bool
		want     explain.Code
	}{
		{"a wrong signature beside the right one", func(c *capture) { c.set("webhook-signature", standard("x", "y")) }, true, explain.SecretWrong},
		{"part of the headers", func(c *capture) { c.header.Del("webhook-id") }, true, explain.HeaderMissing},
		{"an older secret in quotes", func(c *capture) { c.secrets = append(c.secrets, `"`+secretB+`"`) }, true, explain.SecretQuoted},
		{"lost characters", func(c *capture) { c.body = strings.ReplaceAll(c.body, "é", "\ufffd") }, false, explain.BodyCharset},
		{"event type", func(c *capture) { c.set("X-Webhook-Event", "x"); c.secrets[0] = secretB }, false, explain.EventType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := arrived(t, eventBody)
			tt.change(c)
			r := c.explain()
			require.Equal(t, tt.verified, r.Verified, r)
			require.True(t, r.Has(tt.want), r)
			require.NotContains(t, causes(r), tt.want)
			require.Contains(t, r.String(), "Also seen:\n")
			require.Equal(t, tt.verified, !strings.Contains(r.String(), "Why:"))
			last := r.Findings[len(r.Findings)-1]
			require.False(t, last.Cause, "observations are last")
		})
	}
}

func TestExplainTakesThePresent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := arrived(t, eventBody)
		time.Sleep(time.Until(testTime) + 2*time.Hour)
		r := explain.Explain(c.header, []byte(c.body), secretA)
		require.Equal(t, codes{explain.Stale}, causes(r))
		require.Contains(t, r.Findings[0].Text, "2h0m0s ago; 5m0s are allowed")
		require.Contains(t, r.Findings[0].Advice, "time zone")
		r = explain.At(testTime.Add(-time.Hour-10*time.Minute), c.header, []byte(c.body), secretA)
		require.Contains(t, r.Findings[0].Text, "1h10m0s in the future")
		require.NotContains(t, r.Findings[0].Advice, "time zone")
	})
}

func TestAsymmetric(t *testing.T) {
	t.Parallel()
	key, other := signer.NewPrivateKey(), signer.NewPrivateKey()
	s, err := signer.NewAsymmetric(key)
	require.NoError(t, err)
	for _, tt := range []struct {
		name   string
		change func(c *capture)
		want   codes
	}{
		{"verified", func(*capture) {}, codes{}},
		{"another key", func(c *capture) { c.secrets = []string{other.Public().String()} }, codes{explain.SecretWrong}},
		{"no key", func(c *capture) { c.secrets = []string{secretA} }, codes{explain.SecretMissing}},
		{"the private key", func(c *capture) { c.secrets = []string{key.Reveal()} }, codes{explain.SecretPrivate, explain.SecretMissing}},
		{"a key in quotes", func(c *capture) { c.secrets = []string{`"` + c.secrets[0] + `"`} }, codes{explain.SecretQuoted}},
		{"a mangled key", func(c *capture) { c.secrets = []string{c.secrets[0][:30]} }, codes{explain.SecretMalformed, explain.SecretMissing}},
		{"rewritten", rewrite(marshal), codes{explain.BodyRewritten}},
		{"another id", func(c *capture) { c.set("webhook-id", "evt_2") }, codes{explain.SignedOther}},
		{"stale", func(c *capture) { c.now = testTime.Add(time.Hour) }, codes{explain.Stale}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := arrived(t, eventBody)
			c.standardOnly()
			c.set("webhook-signature", string(s.AppendStandard(nil, "evt_1", testTime, []byte(c.body))))
			c.secrets = []string{key.Public().String()}
			tt.change(c)
			r := c.explain()
			require.Equal(t, tt.want, causes(r), r)
			require.Equal(t, len(tt.want) == 0, r.Verified)
		})
	}
}
