package verifier_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
)

const (
	secretA = "whsec_xyz789abc123def456ghi789jkl012mno345"
	secretB = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretC = "whsec_bm90IGEgc2VjcmV0IHRoYXQgYW55b25lIHVzZXM="

	publicKey = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="

	eventBody = `{"created":"2025-11-04T12:00:00Z","data":{"message":"hi"},"id":"evt_1","type":"webhook.test"}`
)

// testTime is when eventBody was created.
var testTime = time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC)

func atTestTime() time.Time { return testTime }

func newVerifier(tb testing.TB, secret string, opts *verifier.Options) *verifier.Verifier {
	tb.Helper()
	v, err := verifier.New(secret, opts)
	require.NoError(tb, err)
	return v
}

func newSigner(tb testing.TB, texts ...string) *signer.Signer {
	tb.Helper()
	secrets := make([]signer.Secret, len(texts))
	for i, text := range texts {
		var err error
		secrets[i], err = signer.ParseSecret(text)
		require.NoError(tb, err)
	}
	s, err := signer.New(secrets[0], secrets[1:]...)
	require.NoError(tb, err)
	return s
}

// untimedHeader returns X-Webhook-Signature, made as receivers make it to compare.
func untimedHeader(key, body string) string { return "sha256=" + hex.EncodeToString(mac(key, body)) }

func mac(key, body string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(body))
	return h.Sum(nil)
}

// setStandard signs as Standard Webhooks says.
func setStandard(tb testing.TB, h http.Header, at time.Time, body string, secrets ...string) {
	tb.Helper()
	h.Set("webhook-id", "evt_1")
	h.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("webhook-signature", string(newSigner(tb, secrets...).AppendStandard(nil, "evt_1", at, []byte(body))))
}

// receiver is a server whose handler is behind a Verifier.
type receiver struct {
	*httptest.Server

	mu       sync.Mutex
	bodies   []string
	statuses []int
	reasons  []error
	refused  chan struct{}
}

func newReceiver(t *testing.T, opts verifier.Options) *receiver {
	t.Helper()
	r := &receiver{refused: make(chan struct{}, 100)}
	opts.OnReject = func(_ *http.Request, status int, reason error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.statuses, r.reasons = append(r.statuses, status), append(r.reasons, reason)
		r.refused <- struct{}{}
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			body = []byte(err.Error())
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies = append(r.bodies, string(body))
		_, _ = io.WriteString(w, "handled")
	})
	r.Server = httptest.NewUnstartedServer(newVerifier(t, secretA, &opts).Middleware(handler))
	r.Config.ErrorLog = nil
	r.Start()
	t.Cleanup(r.Close)
	return r
}

// handled returns the bodies that reached the handler, and forgets them.
func (r *receiver) handled() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	bodies := r.bodies
	r.bodies = nil
	return bodies
}

// reason returns why the last request was refused.
func (r *receiver) reason() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.reasons) == 0 {
		return 0, nil
	}
	return r.statuses[len(r.statuses)-1], r.reasons[len(r.reasons)-1]
}

// answer is a response as it came over the wire.
type answer struct {
	status int
	header http.Header
	body   string
	raw    string
}

// send writes raw to a new connection, ends that side of it, and reads one
// response.
func (r *receiver) send(t *testing.T, raw string) answer {
	t.Helper()
	conn := r.dial(t)
	var wg sync.WaitGroup
	wg.Go(func() { // The server may answer before it has read everything.
		_, _ = io.WriteString(conn, raw)
		_ = conn.CloseWrite()
	})
	a := read(t, conn, raw)
	_ = conn.Close()
	wg.Wait()
	return a
}

func (r *receiver) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", r.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)), "a test that hangs fails")
	tcp, ok := conn.(*net.TCPConn)
	require.True(t, ok)
	return tcp
}

func read(t *testing.T, conn io.Reader, raw string) answer {
	t.Helper()
	method, _, _ := strings.Cut(raw, " ")
	var seen bytes.Buffer
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &seen)), &http.Request{Method: method})
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return answer{resp.StatusCode, resp.Header, string(body), seen.String()}
}

// request is a POST of body with X-Webhook-Signature, and with more header lines.
// Lines replace those that are there by default.
func request(body string, lines ...string) string {
	return requestLine("POST / HTTP/1.1", body, lines...)
}

func requestLine(start, body string, lines ...string) string {
	defaults := []string{
		"Host: receiver.example",
		"Content-Type: application/json",
		"X-Webhook-Signature: " + untimedHeader(secretA, body),
		"Content-Length: " + strconv.Itoa(len(body)),
		"Connection: close",
	}
	var b strings.Builder
	b.WriteString(start + "\r\n")
	for _, line := range defaults {
		name, _, _ := strings.Cut(line, ":")
		replaced := false
		for _, other := range lines {
			otherName, _, _ := strings.Cut(other, ":")
			replaced = replaced || strings.EqualFold(strings.TrimSpace(otherName), name) || otherName == "-"+name
		}
		if !replaced {
			b.WriteString(line + "\r\n")
		}
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "-") { // "-Name" leaves a default out.
			b.WriteString(line + "\r\n")
		}
	}
	return b.String() + "\r\n" + body
}
