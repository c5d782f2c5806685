package explain

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

const secret = "whsec_xyz789abc123def456ghi789jkl012mno345"

func TestRun(t *testing.T) {
	t.Parallel()
	received := time.Date(2025, time.November, 4, 12, 0, 0, 0, time.UTC)
	sample, err := os.ReadFile("request.http")
	require.NoError(t, err)
	good := strings.NewReplacer(`": "`, `":"`, `": {`, `":{`, `, "`, `,"`, `\u00e9`, "é").Replace(strings.TrimSuffix(string(sample), "\n"))
	headless := good[strings.Index(good, "\n")+1:]
	with := func(pairs ...string) func(string) string {
		env := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			env[pairs[i]] = pairs[i+1]
		}
		return func(name string) string { return env[name] }
	}
	known := with("WEBHOOK_SECRET", secret)
	mac := hmac.New(sha256.New, []byte("It's a Secret to Everybody"))
	mac.Write([]byte("{}"))
	github := "POST / HTTP/1.1\nContent-Length: 2\nX-GitHub-Delivery: 1\nX-GitHub-Event: push\nX-Hub-Signature-256: sha256=" + hex.EncodeToString(mac.Sum(nil)) + "\n\n{}"
	stripe := "POST / HTTP/1.1\nStripe-Signature: t=1,v1=00\n\n{}"
	for _, tt := range []struct {
		name  string
		c     Config
		env   func(string) string
		stdin string
		code  int // 0: verified, 1: not, 2: not read
		says  string
	}{
		{"sample file", Config{At: received, File: "request.http"}, known, "", 1, "body_rewritten"},
		{"sample file, today", Config{At: time.Now(), File: "request.http"}, known, "", 1, "stale"},
		{"stdin", Config{At: received}, known, good, 0, "The request verifies."},
		{"without a request line", Config{At: received}, known, headless, 0, "The request verifies."},
		{"with CRLF in the headers", Config{At: received}, known, strings.ReplaceAll(good, "\n", "\r\n"), 0, "The request verifies."},
		{"secret with a line break", Config{At: received}, with("WEBHOOK_SECRET", secret+"\n"), good, 1, "secret_space"},
		{"older secret", Config{At: received}, with("WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "WEBHOOK_OTHER_SECRETS", "x,"+secret), good, 1, "secret_other"},
		{"of another sender", Config{At: received, Wire: signer.Wire{Prefix: "X-Acme-"}}, known, strings.ReplaceAll(good, "X-Webhook-", "X-Acme-"), 0, "The request verifies."},
		{"of another sender, with a wrong signature beside a right one", Config{At: received, Wire: signer.Wire{Prefix: "X-Acme-"}}, known, strings.Replace(strings.ReplaceAll(good, "X-Webhook-", "X-Acme-"), "sha256=", "sha256=0", 1), 0, "X-Acme-Signature is not"},
		{"of a gateway", Config{At: received, File: "../../../../verifier/explain/testdata/alb.json"}, known, "", 0, "Read as the event of an ALB: 4 headers and a body of"},
		{"of curl -v", Config{At: received, File: "../../../../verifier/explain/testdata/curl_verbose.txt"}, known, "", 1, "capture_lost"},
		{"GitHub's", Config{At: received}, with("WEBHOOK_SECRET", "It's a Secret to Everybody"), github, 0, "verifies as one of github"},
		{"GitHub's, older secret", Config{At: received}, with("WEBHOOK_SECRET", "a", "WEBHOOK_OTHER_SECRETS", "It's a Secret to Everybody"), github, 0, "verifies as one of github"},
		{"GitHub's, changed", Config{At: received}, with("WEBHOOK_SECRET", "It's a Secret to Everybody"), strings.Replace(github, "{}", "[]", 1), 1, "signature does not match (github)"},
		{"GitHub's, without a signature", Config{At: received}, with("WEBHOOK_SECRET", "a"), strings.Replace(github, "X-Hub-Signature-256", "X-Hub-Signature", 1), 1, "X-Hub-Signature-256"},
		{"GitHub's, without a secret", Config{At: received}, with(), github, 1, "Set WEBHOOK_SECRET"},
		{"GitHub's, without its body", Config{At: received}, known, strings.TrimSuffix(github, "{}"), 1, "nothing of the body"},
		{"Stripe's, old", Config{At: received}, with("WEBHOOK_SECRET", "a"), stripe, 1, "(stripe)"},
		{"Twilio's", Config{At: received}, with("WEBHOOK_SECRET", "a"), "POST / HTTP/1.1\nX-Twilio-Signature: a\n\n{}", 1, "twilio"},
		{"no secret", Config{At: received}, with(), good, 1, "secret_missing"},
		{"a line break at the end", Config{At: received}, known, good + "\n", 1, "body_line_break"},
		{"refused before its body was read", Config{At: received}, known, good[:strings.Index(good, "\n\n")] + "\nContent-Length: 9\n\n", 1, "capture_lost"},
		{"no empty line", Config{At: received}, known, "Host: x\n", 2, "no empty line"},
		{"no headers", Config{At: received}, known, "POST / HTTP/1.1\nnonsense\n\n", 2, "Name: value"},
		{"no such file", Config{File: "nowhere"}, known, "", 2, "nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			verified, err := Run(tt.c, tt.env, strings.NewReader(tt.stdin), &out)
			require.Equal(t, tt.code == 0, verified, out.String())
			require.Equal(t, tt.code == 2, err != nil)
			if err != nil {
				out.WriteString(err.Error())
			}
			require.Contains(t, out.String(), tt.says)
			require.NotContains(t, out.String(), secret[6:16])
		})
	}
	_, err = Run(Config{}, known, broken{}, io.Discard)
	require.Error(t, err)
}

// TestLast keeps two requests and asks for them, as "--last" does.
func TestLast(t *testing.T) {
	t.Parallel()
	sample, err := os.ReadFile("request.http")
	require.NoError(t, err)
	dir := t.TempDir()
	for name, raw := range map[string]string{
		"rejected-20251104T120000.000000000Z-401.http": string(sample), "rejected-20251104T120001.500000000Z-413.http": "",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(raw), 0o600))
	}
	for _, tt := range []struct {
		number, name, says string
	}{
		{"", "rejected-20251104T120001.500000000Z-413.http", ""},
		{"1", "rejected-20251104T120001.500000000Z-413.http", ""},
		{"2", "rejected-20251104T120000.000000000Z-401.http", ""},
		{"3", "", "there are 2 requests"},
		{"0", "", "no number"},
		{"request.http", "", "no number"},
	} {
		t.Run(tt.number, func(t *testing.T) {
			t.Parallel()
			file, at, err := Last(dir, tt.number)
			if tt.says != "" {
				require.ErrorContains(t, err, tt.says)
				return
			}
			require.NoError(t, err)
			require.Equal(t, filepath.Join(dir, tt.name), file)
			require.Contains(t, tt.name, at.Format("20060102T150405.000000000Z"))
		})
	}
	_, _, err = Last(filepath.Join(dir, "nowhere"), "")
	require.ErrorContains(t, err, "nowhere")
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
