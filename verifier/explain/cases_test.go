package explain_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

type codes = []explain.Code

// cases are requests that do not verify, each with all of its causes.
var cases = []struct {
	name   string
	change func(c *capture)
	want   codes
}{
	// Headers.
	{"no header", func(c *capture) { c.untimedOnly(); c.standardOnly() }, codes{explain.HeaderMissing}},
	{"empty header", func(c *capture) { c.untimedOnly(); c.set("X-Webhook-Signature", " ") }, codes{explain.HeaderMissing}},
	{"CGI's name", func(c *capture) {
		c.untimedOnly()
		c.header["HTTP_X_WEBHOOK_SIGNATURE"] = c.header["X-Webhook-Signature"]
		c.standardOnly()
	}, codes{explain.HeaderMoved}},
	{"lower case in a map", func(c *capture) {
		c.untimedOnly()
		c.header["x-webhook-signature"] = c.header["X-Webhook-Signature"]
		c.standardOnly()
	}, codes{explain.HeaderMoved}},
	{"another name", func(c *capture) {
		c.untimedOnly()
		c.header["X-Body-Hmac"] = c.header["X-Webhook-Signature"]
		c.standardOnly()
	}, codes{explain.HeaderMoved}},
	{"svix's names, late", func(c *capture) { c.svix(); c.now = testTime.Add(time.Hour) }, codes{explain.Stale}},
	{"svix's names in lower case in a map", func(c *capture) {
		c.svix()
		for _, name := range []string{"id", "timestamp", "signature"} {
			c.header["svix-"+name] = []string{c.header.Get("svix-" + name)}
			c.header.Del("svix-" + name)
		}
		c.standardOnly()
	}, codes{explain.HeaderMoved, explain.HeaderMoved, explain.HeaderMoved}},
	{"one of svix's names", func(c *capture) {
		c.header["Svix-Id"] = c.header["Webhook-Id"]
		c.header.Del("webhook-id")
	}, codes{explain.HeaderMoved}},
	{"doubled", func(c *capture) {
		c.untimedOnly()
		c.header.Add("X-Webhook-Signature", c.header.Get("X-Webhook-Signature"))
	}, codes{explain.HeaderRepeated}},
	{"doubled with a wrong one", func(c *capture) {
		c.untimedOnly()
		c.header["X-Webhook-Signature"] = []string{untimed(secretB, c.body), untimed(secretA, c.body)}
	}, codes{explain.HeaderRepeated}},
	{"joined", func(c *capture) {
		c.untimedOnly()
		c.set("X-Webhook-Signature", untimed(secretB, c.body)+", "+untimed(secretA, c.body))
	}, codes{explain.HeaderJoined}},
	{"joined, Standard Webhooks", func(c *capture) {
		c.standardOnly()
		value := c.header.Get("webhook-signature")
		c.set("webhook-signature", value+", "+value[:20]+","+value)
	}, codes{explain.HeaderJoined}},
	{"quoted", func(c *capture) { c.untimedOnly(); c.set("X-Webhook-Signature", `"`+untimed(secretA, c.body)+`"`) }, codes{explain.Malformed}},
	{"sha1", func(c *capture) {
		c.untimedOnly()
		c.set("X-Webhook-Signature", "sha1="+hex.EncodeToString(mac(sha1.New, secretA, c.body)))
	}, codes{explain.SchemeOther}},
	{"sha512, without a prefix", func(c *capture) {
		c.untimedOnly()
		c.set("X-Webhook-Signature", hex.EncodeToString(mac(sha512.New, secretA, c.body)))
	}, codes{explain.Malformed}},
	{"md5", func(c *capture) {
		c.untimedOnly()
		c.set("X-Webhook-Signature", "md5=0123456789abcdef0123456789abcdef")
	}, codes{explain.SchemeOther}},
	{"without the prefix", func(c *capture) { c.untimedOnly(); c.set("X-Webhook-Signature", untimed(secretA, c.body)[7:]) }, codes{explain.Malformed}},
	{"prefix in upper case", func(c *capture) {
		c.untimedOnly()
		c.set("X-Webhook-Signature", "SHA256="+untimed(secretA, c.body)[7:])
	}, codes{explain.Malformed}},
	{"space behind the prefix", func(c *capture) {
		c.untimedOnly()
		c.set("X-Webhook-Signature", "sha256= "+untimed(secretA, c.body)[7:])
	}, codes{explain.Malformed}},
	{"63 digits", func(c *capture) { c.untimedOnly(); c.set("X-Webhook-Signature", untimed(secretA, c.body)[:70]) }, codes{explain.Malformed}},
	{"62 digits", func(c *capture) { c.untimedOnly(); c.set("X-Webhook-Signature", untimed(secretA, c.body)[:69]) }, codes{explain.Malformed}},
	{"base64", func(c *capture) {
		c.untimedOnly()
		c.set("X-Webhook-Signature", "sha256="+base64.StdEncoding.EncodeToString(mac(sha256.New, secretA, c.body)))
	}, codes{explain.Malformed}},
	{"base64 without a prefix", func(c *capture) {
		c.untimedOnly()
		c.set("X-Webhook-Signature", base64.StdEncoding.EncodeToString(mac(sha256.New, secretA, c.body)))
	}, codes{explain.Malformed}},
	{"nonsense", func(c *capture) { c.untimedOnly(); c.set("X-Webhook-Signature", "signed, Joe") }, codes{explain.HeaderJoined, explain.Malformed}},
	{"Stripe's form", func(c *capture) {
		timestamp := c.header.Get("webhook-timestamp")
		c.untimedOnly()
		c.set("webhook-timestamp", timestamp)
		c.set("X-Webhook-Signature", "t="+timestamp+",v1="+untimed(secretA, timestamp+"."+c.body)[7:])
	}, codes{explain.SignedOther, explain.SchemeOther, explain.HeaderMissing}},
	{"v1 in X-Webhook-Signature", func(c *capture) {
		c.set("X-Webhook-Signature", c.header.Get("webhook-signature"))
		c.header.Del("webhook-signature")
	}, codes{explain.SchemeSwapped, explain.HeaderMissing}},
	{"X-Webhook-Signature's in webhook-signature", func(c *capture) {
		c.set("webhook-signature", c.header.Get("X-Webhook-Signature"))
		c.standardOnly()
	}, codes{explain.HeaderMoved, explain.SchemeSwapped}},
	{"hex of Standard Webhooks in X-Webhook-Signature", func(c *capture) {
		text := "evt_1." + strconv.FormatInt(testTime.Unix(), 10) + "." + c.body
		c.set("X-Webhook-Signature", untimed(decoded(secretA), text))
		c.header.Del("webhook-signature")
	}, codes{explain.SchemeSwapped, explain.HeaderMissing}},
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
	{"X-Webhook-Signature in base64", func(c *capture) {
		c.standardOnly()
		c.set("webhook-signature", standard(secretA, c.body))
	}, codes{explain.SchemeSwapped}},
	{"milliseconds", func(c *capture) {
		c.standardOnly()
		ms := strconv.FormatInt(testTime.UnixMilli(), 10)
		c.set("webhook-timestamp", ms)
		c.set("webhook-signature", standard(decoded(secretA), "evt_1."+ms+"."+c.body))
	}, codes{explain.TimeMalformed}},
	{"nothing but X-Webhook-Signature", func(c *capture) { c.untimedOnly(); c.untimed = false }, codes{explain.Untimed}},
	{"nothing but X-Webhook-Signature, and that wrong", func(c *capture) {
		c.untimedOnly()
		c.untimed = false
		c.secrets = []string{secretB}
	}, codes{explain.Unmatched, explain.Untimed}},
	{"a wrong signature beside X-Webhook-Signature", func(c *capture) { c.set("webhook-signature", standard("x", "y")) }, codes{explain.Unmatched}},
	{"two of three headers beside X-Webhook-Signature", func(c *capture) { c.header.Del("webhook-id") }, codes{explain.HeaderMissing}},
	{"stale", func(c *capture) { c.now = testTime.Add(6 * time.Minute) }, codes{explain.Stale}},
	{"another event type", func(c *capture) { c.set("X-Webhook-Event", "document.deleted") }, codes{explain.EventType}},
	{"another event type, and a wrong signature beside the right one", func(c *capture) {
		c.set("X-Webhook-Event", "document.deleted")
		c.set("X-Webhook-Signature", untimed(secretB, c.body))
	}, codes{explain.EventType}},
	{"not an event", func(c *capture) { *c = *arrived(new(testing.T), "{}") }, codes{explain.EventMalformed}},

	// Secrets.
	{"no secret", func(c *capture) { c.secrets = nil }, codes{explain.SecretMissing}},
	{"an empty secret", func(c *capture) { c.secrets = []string{""} }, codes{explain.SecretMissing, explain.Unmatched}},
	{"another secret", func(c *capture) { c.secrets = []string{secretB} }, codes{explain.Unmatched}},
	{"the older secret", func(c *capture) { c.secrets = []string{secretB, secretA} }, codes{explain.SecretOther}},
	{"the older secret, in quotes", func(c *capture) { c.secrets = []string{secretB, `"` + secretA + `"`} }, codes{explain.SecretQuoted, explain.SecretOther}},
	{"a line break behind the secret", func(c *capture) { c.secrets = []string{secretA + "\n"} }, codes{explain.SecretSpace}},
	{"quotes around the secret", func(c *capture) { c.secrets = []string{`"` + secretA + `"`} }, codes{explain.SecretQuoted}},
	{"a byte order mark in front of the secret", func(c *capture) { c.secrets = []string{"\ufeff" + secretA} }, codes{explain.SecretSpace}},
	{"v1, in front of the secret", func(c *capture) { c.secrets = []string{"v1," + secretA} }, codes{explain.SecretMalformed}},
	{"a secret without its prefix", func(c *capture) { c.secrets = []string{secretA[6:]} }, codes{explain.SecretMalformed}},
	{"a secret without its prefix, untimed", func(c *capture) { c.untimedOnly(); c.secrets = []string{secretA[6:]} }, codes{explain.SecretMalformed}},
	{"a secret of the receiver's own", func(c *capture) {
		c.untimedOnly()
		c.secrets = []string{"changeme"}
		c.set("X-Webhook-Signature", untimed("changeme", c.body))
	}, codes{explain.SecretMalformed}},
	{"signed with a line break behind the secret", func(c *capture) {
		c.untimedOnly()
		c.set("X-Webhook-Signature", untimed(secretA+"\n", c.body))
	}, codes{explain.SecretSpace}},
	{"signed with quotes around the secret", func(c *capture) {
		c.untimedOnly()
		c.set("X-Webhook-Signature", untimed(`"`+secretA+`"`, c.body))
	}, codes{explain.SecretQuoted}},
	{"signed with the decoded secret", func(c *capture) { c.untimedOnly(); c.set("X-Webhook-Signature", untimed(decoded(secretA), c.body)) }, codes{explain.SecretKey}},
	{"signed without the prefix", func(c *capture) { c.untimedOnly(); c.set("X-Webhook-Signature", untimed(secretA[6:], c.body)) }, codes{explain.SecretKey}},
	{"signed with the text", func(c *capture) {
		c.standardOnly()
		c.set("webhook-signature", standard(secretA, "evt_1."+c.header.Get("webhook-timestamp")+"."+c.body))
	}, codes{explain.SecretKey}},
	{"signed with nothing", func(c *capture) { c.untimedOnly(); c.set("X-Webhook-Signature", untimed("", c.body)) }, codes{explain.SecretMissing}},
	{"signed with the mask", func(c *capture) { c.untimedOnly(); c.set("X-Webhook-Signature", untimed("whsec_***", c.body)) }, codes{explain.SecretMissing}},

	// The body.
	{"empty", func(c *capture) { c.body = "" }, codes{explain.BodyEmpty}},
	{"truncated", func(c *capture) { c.body = c.body[:len(c.body)-10] }, codes{explain.BodyTruncated}},
	{"shorter than its length", func(c *capture) { c.set("Content-Length", "5000"); c.body += "x" }, codes{explain.BodyTruncated}},
	{"changed", func(c *capture) { c.body = strings.Replace(c.body, "doc_1", "doc_2", 1) }, codes{explain.Unmatched}},
	{"signed empty", func(c *capture) { c.untimedOnly(); c.set("X-Webhook-Signature", untimed(secretA, "")) }, codes{explain.BodyEmpty}},
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
		c.untimedOnly()
		c.set("X-Webhook-Signature", untimed(secretA, `"`+strings.ReplaceAll(c.body, `"`, `\"`)+`"`))
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
	{"keys in the documented order", func(c *capture) {
		b := c.body
		c.body = `{"id":"evt_1","type":"document.created","created":"2025-11-04T12:00:00Z","data":` + b[strings.Index(b, `{"doc`):strings.Index(b, `,"id"`)] + `}`
	}, codes{explain.BodyRewritten}},
	{"negative zero", func(c *capture) {
		*c = *arrived(new(testing.T), strings.Replace(c.body, "200", "0", 1))
		c.body = strings.Replace(c.body, ":0,", ":-0,", 1)
	}, codes{explain.BodyRewritten}},
	{"numbers as floats", func(c *capture) { c.body = strings.Replace(c.body, "200", "200.0", 1) }, codes{explain.BodyRewritten}},
	{"keys in the documented order, as signed", func(c *capture) {
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

	{"an object of JavaScript's", func(c *capture) { c.body = "[object Object]" }, codes{explain.BodyDump}},
	{"a dict of Python's", func(c *capture) { c.body = `{'id': 'evt_1', 'type': 'document.created'}` }, codes{explain.BodyDump}},
	{"bytes as Python prints them", func(c *capture) { c.body = pythonBytes(c.body) }, codes{explain.BodyDump}},
	{"bytes as Python prints them, with both quotes", func(c *capture) {
		*c = *arrived(new(testing.T), `{"id":"it's"}`)
		c.body = `b'{"id":"it\'s"}'`
	}, codes{explain.BodyDump}},
	{"a Buffer as Node.js prints it", func(c *capture) { c.body = strings.ReplaceAll(fmt.Sprintf("<Buffer % x>", c.body), "  ", " ") }, codes{explain.BodyDump}},
	{"a Buffer as Node.js prints a long one", func(c *capture) { c.body = fmt.Sprintf("<Buffer % x ... 91 more bytes>", c.body[:50]) }, codes{explain.BodyDump}},
	{"a Buffer as JSON", func(c *capture) {
		numbers := []int{}
		for _, b := range []byte(c.body) {
			numbers = append(numbers, int(b))
		}
		c.body = `{"type":"Buffer","data":` + string(marshal(numbers)) + `}`
	}, codes{explain.BodyDump}},
	{"chunks", func(c *capture) {
		c.body = fmt.Sprintf("a\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", c.body[:10], len(c.body)-10, c.body[10:])
	}, codes{explain.BodyChunked}},

	// What the middleware refuses.
	{"no content type", func(c *capture) { c.header.Del("Content-Type") }, codes{explain.ContentType}},
	{"another content type", func(c *capture) { c.set("Content-Type", "text/plain") }, codes{explain.ContentType}},
	{"compressed, says its header", func(c *capture) { c.set("Content-Encoding", "gzip") }, codes{explain.ContentCoding}},
	{"long", func(c *capture) {
		*c = *arrived(new(testing.T), `{"id":"`+strings.Repeat("x", verifier.DefaultMaxBody)+`"}`)
	}, codes{explain.BodyLong, explain.EventMalformed}},

	// Several at once.
	{"another content type and another secret", func(c *capture) {
		c.set("Content-Type", "text/plain")
		c.secrets = []string{secretB}
	}, codes{explain.ContentType, explain.Unmatched}},
	{"quoted secret and a line break more", func(c *capture) { c.secrets = []string{"'" + secretA + "'"}; c.body += "\n" }, codes{explain.SecretQuoted, explain.BodyLineBreak}},
	{"older secret, no prefix, indented", func(c *capture) {
		c.untimedOnly()
		c.set("X-Webhook-Signature", untimed(secretA, c.body)[7:])
		c.secrets = []string{secretB, secretA}
		rewrite(func(v any) []byte { out, _ := json.MarshalIndent(v, "", "  "); return out })(c)
	}, codes{explain.BodyRewritten, explain.SecretOther, explain.Malformed}},
	{"stale and rewritten", func(c *capture) { c.now = testTime.Add(time.Hour); rewrite(marshal)(c) }, codes{explain.BodyRewritten, explain.Stale}},
}
