package verifier_test

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier"
)

// TestSignatureHeadersOnTheWire posts eventBody with all manner of signatures.
func TestSignatureHeadersOnTheWire(t *testing.T) {
	t.Parallel()
	good := untimedHeader(secretA, eventBody)
	digits := strings.TrimPrefix(good, "sha256=")
	raw := mac(secretA, eventBody)
	flip := func(i int) string {
		changed := []byte(digits)
		changed[i] ^= 1
		return "sha256=" + string(changed)
	}
	bad := untimedHeader(secretB, eventBody)
	sum1, sum5 := sha1.Sum([]byte(eventBody)), md5.Sum([]byte(eventBody))
	header := func(value string) []string { return []string{"X-Webhook-Signature: " + value} }
	for _, tt := range []struct {
		name   string
		lines  []string
		status int
	}{
		{"as it should be", nil, 200},
		{"absent", []string{"-X-Webhook-Signature"}, 401},
		{"empty", header(""), 401},
		{"spaces only", header("    "), 401},
		{"prefix only", header("sha256="), 401},
		{"without the prefix", header(digits), 401},
		{"space behind the prefix", header("sha256= " + digits), 401},
		{"space in the prefix", header("sha256 =" + digits), 401},
		{"prefix in upper case", header("SHA256=" + digits), 401},
		{"63 digits", header("sha256=" + digits[:63]), 401},
		{"62 digits", header("sha256=" + digits[:62]), 401},
		{"65 digits", header(good + "0"), 401},
		{"128 digits", header("sha256=" + digits + digits), 401},
		{"a digit is g", header("sha256=" + digits[:63] + "g"), 401},
		{"first digit wrong", header(flip(0)), 401},
		{"last digit wrong", header(flip(63)), 401},
		{"upper case", header("sha256=" + strings.ToUpper(digits)), 200},
		{"mixed case", header("sha256=" + strings.ToUpper(digits[:31]) + digits[31:]), 200},
		{"base64", header("sha256=" + base64.StdEncoding.EncodeToString(raw)), 401},
		{"base64url", header("sha256=" + base64.RawURLEncoding.EncodeToString(raw)), 401},
		{"raw bytes", header("sha256=" + strings.Map(func(c rune) rune {
			if c < ' ' || c > '~' {
				return 'x'
			}
			return c
		}, string(raw))), 401},
		{"sha1", header("sha1=" + hex.EncodeToString(sum1[:])), 401},
		{"md5", header("md5=" + hex.EncodeToString(sum5[:])), 401},
		{"sha512 by name", header("sha512=" + digits), 401},
		{"v1", header("v1=" + digits), 401},
		{"list, bad then good", header(bad + "," + good), 401},
		{"list, good then bad", header(good + "," + bad), 401},
		{"list, good twice", header(good + ", " + good), 401},
		{"list by space", header(good + " " + bad), 401},
		{"two lines, bad then good", append(header(bad), header(good)...), 401},
		{"two lines, good then bad", append(header(good), header(bad)...), 401},
		{"two lines, good twice", append(header(good), header(good)...), 401},
		{"two lines, good then empty", append(header(good), header("")...), 401},
		{"quoted", header(`"` + good + `"`), 401},
		{"in angle brackets", header("<" + good + ">"), 401},
		{"semicolon behind", header(good + ";"), 401},
		{"parameter behind", header(good + ";v=1"), 401},
		{"folded line", header(good[:40] + "\r\n " + good[40:]), 401},
		{"folded line in front", header("\r\n " + good), 200},
		{"spaces around", header("  " + good + "   "), 200},
		{"tabs around", header("\t" + good + "\t\t"), 200},
		{"NUL inside", header(good[:40] + "\x00" + good[41:]), 400},
		{"DEL inside", header(good[:40] + "\x7f" + good[41:]), 400},
		{"0xFF 0xFE inside", header(good[:40] + "\xff\xfe" + good[42:]), 401},
		{"digits of another script", header("sha256=" + strings.Repeat("０", 64)), 401},
		{"10 KB", header("sha256=" + strings.Repeat("0", 10_000)), 401},
		{"2 MB", header("sha256=" + strings.Repeat("0", 2_000_000)), 431},
		{"of another body", header(untimedHeader(secretA, "{}")), 401},
		{"of the empty body", header(untimedHeader(secretA, "")), 401},
		{"of the body and a line break", header(untimedHeader(secretA, eventBody+"\n")), 401},
		{"of the body written anew", header(untimedHeader(secretA, strings.ReplaceAll(eventBody, ",", ", "))), 401},
		{"with another secret", header(bad), 401},
		{"with the secret and a line break", header(untimedHeader(secretA+"\n", eventBody)), 401},
		{"with the secret without its prefix", header(untimedHeader(secretA[len("whsec_"):], eventBody)), 401},
		{"with the secret's bytes", header(untimedHeader(decoded(t, secretA), eventBody)), 401},
		{"with no secret", header(untimedHeader("", eventBody)), 401},
		{"with the masked secret", header(untimedHeader("whsec_***", eventBody)), 401},
		{"space before the colon", []string{"X-Webhook-Signature : " + good}, 400},
		{"name in lower case", []string{"x-webhook-signature: " + good}, 200},
		{"name in upper case", []string{"X-WEBHOOK-SIGNATURE: " + good}, 200},
		{"name with underscores", []string{"-X-Webhook-Signature", "X_Webhook_Signature: " + good}, 401},
		{"another name", []string{"-X-Webhook-Signature", "X-Hub-Signature-256: " + good}, 401},
		{"in the webhook-signature header", []string{"-X-Webhook-Signature", "webhook-signature: " + good}, 401},
		{"event of the body", []string{"X-Webhook-Event: webhook.test"}, 200},
		{"event of the body, spaces around", []string{"X-Webhook-Event:  webhook.test "}, 200},
		{"another event", []string{"X-Webhook-Event: document.created"}, 400},
		{"event in another case", []string{"X-Webhook-Event: Webhook.Test"}, 400},
		{"empty event", []string{"X-Webhook-Event:"}, 400},
		{"event twice", []string{"X-Webhook-Event: webhook.test", "X-Webhook-Event: webhook.test"}, 400},
		{"unsigned headers are ignored", []string{"X-Webhook-ID: whk_other", "X-Webhook-Delivery-ID: ../../x"}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, verifier.Options{AcceptUntimed: true})
			a := r.send(t, request(eventBody, tt.lines...))
			require.Equal(t, tt.status, a.status)
			handled := r.handled()
			if tt.status != 200 {
				require.Empty(t, handled)
			} else {
				require.Equal(t, []string{eventBody}, handled)
			}
			if tt.status == 401 {
				require.Equal(t, `{"error":"invalid signature"}`, a.body, "the same whatever the reason")
				require.Equal(t, "application/json", a.header.Get("Content-Type"))
				require.Len(t, a.header, 4, "and nosniff, Date, Content-Length: %v", a.header)
			}
		})
	}
}

func TestSignatureInTrailerIsIgnored(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, verifier.Options{AcceptUntimed: true})
	a := r.send(t, request("", "-X-Webhook-Signature", "-Content-Length", "Transfer-Encoding: chunked", "Trailer: X-Webhook-Signature")+
		chunk(eventBody)+"0\r\nX-Webhook-Signature: "+untimedHeader(secretA, eventBody)+"\r\n\r\n")
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Empty(t, r.handled())
	_, reason := r.reason()
	require.ErrorIs(t, reason, verifier.ErrMissingSignature)
}

// TestReplayOnTheWire sends a captured request again an hour later: as it was,
// with a new time, and without what is bound to the time.
func TestReplayOnTheWire(t *testing.T) {
	t.Parallel()
	captured := http.Header{}
	setStandard(t, captured, testTime, eventBody, secretA)
	later := testTime.Add(time.Hour)
	lines := func(timestamp time.Time) []string {
		return []string{
			"webhook-id: evt_1",
			"webhook-timestamp: " + strconv.FormatInt(timestamp.Unix(), 10),
			"webhook-signature: " + captured.Get("webhook-signature"),
		}
	}
	for _, tt := range []struct {
		name               string
		now                time.Time
		lines              []string
		required, optional int
	}{
		{"in time", testTime, lines(testTime), 200, 200},
		{"late", later, lines(testTime), 401, 401},
		{"late, with a new time", later, lines(later), 401, 401},
		{"late, without its time", later, slices.Delete(lines(testTime), 1, 2), 401, 401},
		{"late, stripped", later, nil, 401, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := func() time.Time { return tt.now }
			a := newReceiver(t, verifier.Options{Now: now}).send(t, request(eventBody, tt.lines...))
			require.Equal(t, tt.required, a.status)
			a = newReceiver(t, verifier.Options{Now: now, AcceptUntimed: true}).send(t, request(eventBody, tt.lines...))
			require.Equal(t, tt.optional, a.status)
		})
	}
}

func decoded(t *testing.T, secret string) string {
	t.Helper()
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	require.NoError(t, err)
	return string(key)
}
