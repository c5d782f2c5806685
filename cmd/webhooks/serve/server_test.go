package serve

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

const secret = "0123456789abcdef0123456789abcdef"

// start runs the server with the given flags, in memory unless they name a store, and
// returns where it listens.
func start(t *testing.T, args ...string) (base string, stop func() error) {
	t.Helper()
	if !slices.Contains(args, "-store") {
		args = append(args, "-store", inMemory)
	}
	return startAs(t, args...)
}

// startAs is start with these flags and no other.
func startAs(t *testing.T, args ...string) (base string, stop func() error) {
	t.Helper()
	return watch(t, io.Discard, func(ctx context.Context, stderr io.Writer) error {
		return Run(ctx, append([]string{"-addr", "127.0.0.1:0", "-jwt-secret", secret}, args...), io.Discard, stderr)
	})
}

// watch runs a server and returns where it listens. Its log is copied.
func watch(t *testing.T, log io.Writer, run func(context.Context, io.Writer) error) (base string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	logs, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, w)
		_ = w.Close()
	}()
	lines := bufio.NewReader(io.TeeReader(logs, log))
	var addr []string
	for addr == nil {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		addr = regexp.MustCompile(`addr=(\S+)`).FindStringSubmatch(line)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	stopped := false
	stop = func() error {
		cancel()
		if stopped {
			return nil
		}
		stopped = true
		return <-done
	}
	t.Cleanup(func() { _ = stop() })
	return "http://" + addr[1], stop
}

func token(t *testing.T, key, merchant string, good time.Duration) string {
	t.Helper()
	s, err := newToken([]byte(key), merchant, &jwtauth.Options{MerchantClaim: jwtauth.DefaultMerchantClaim, AdminScope: ownAdminScope}, good)
	require.NoError(t, err)
	return s
}

func call(t *testing.T, method, url, bearer, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var out map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
	return resp.StatusCode, out
}

func TestServesAndDelivers(t *testing.T) {
	t.Parallel()
	base, stop := start(t, "-insecure-allow-http", "-insecure-allow-private-networks")
	routes := http.NewServeMux()
	receiver := httptest.NewServer(routes)
	defer receiver.Close()
	var printed strings.Builder
	require.NoError(t, Run(t.Context(), []string{"-jwt-secret", secret, "-token", "merchant_42"}, &printed, io.Discard))
	bearer := strings.TrimSpace(printed.String())
	api := base + "/api/merchants/merchant_42"

	status, out := call(t, http.MethodPost, api+"/webhooks", bearer,
		`{"url":"`+receiver.URL+`/hook","events":["document.created"]}`)
	require.Equal(t, http.StatusCreated, status, out)
	data, _ := out["data"].(map[string]any)
	require.IsType(t, "", data["secret"])
	hookSecret, _ := data["secret"].(string)
	got := make(chan event.Event, 1)
	routes.Handle("POST /hook", verifier.Middleware(hookSecret, nil)(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			e, _ := verifier.FromContext(r.Context())
			got <- e
		})))

	status, out = call(t, http.MethodPost, api+"/events", bearer,
		`{"type":"document.created","id":"order-7","data":{"documentId":"doc_1"}}`)
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, map[string]any{"eventId": "order-7", "deliveries": 1.0}, out["data"])
	require.Equal(t, "order-7", (<-got).ID)

	resp, err := http.Get(base + "/healthz")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.NoError(t, stop())
	_, err = http.Get(base + "/healthz") //nolint:bodyclose // there is no response
	require.Error(t, err)
}

func TestRefusesBadTokens(t *testing.T) {
	t.Parallel()
	base, _ := start(t)
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{
		"merchantId": "merchant_42", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	forever, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"merchantId": "merchant_42"}).SignedString([]byte(secret))
	require.NoError(t, err)
	for name, bearer := range map[string]string{
		"no token":    "",
		"nonsense":    "a.b.c",
		"another key": token(t, strings.Repeat("x", 32), "merchant_42", time.Hour),
		"expired":     token(t, secret, "merchant_42", -time.Hour),
		"no merchant": token(t, secret, "", time.Hour),
		"alg none":    none,
		"no exp":      forever,
	} {
		status, out := call(t, http.MethodGet, base+"/api/merchants/merchant_42/webhooks", bearer, "")
		require.Equal(t, http.StatusUnauthorized, status, name)
		require.Equal(t, false, out["success"], name)
	}
	status, _ := call(t, http.MethodGet, base+"/api/merchants/merchant_1/webhooks", token(t, secret, "merchant_42", time.Hour), "")
	require.Equal(t, http.StatusForbidden, status)
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"-jwt-secret is needed": {},
		"shorter than the 32":   {"-jwt-secret", "short"},
		"-role":                 {"-jwt-secret", secret, "-role", "both"},
		"not shared":            {"-jwt-secret", secret, "-store", inMemory, "-role", "api"},
		"-role api needs a -st": {"-jwt-secret", secret, "-role", "api"},
		"-role dispatch needs ": {"-role", "dispatch"},
		"time: invalid":         {"-jwt-secret", secret, "-retry", "soon"},
		"unexpected argument":   {"-jwt-secret", secret, "extra"},
		"-secret-key is needed": {"-jwt-secret", secret, "-store", "redis://127.0.0.1:6379"},
		"id:base64":             {"-jwt-secret", secret, "-secret-key", "k1:short"},
	} {
		_, err := parse(args, io.Discard)
		require.ErrorContains(t, err, want)
	}
	key := "k1:" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	require.ErrorContains(t, Run(t.Context(), []string{"-jwt-secret", secret, "-secret-key", key, "-store", "mysql://"},
		io.Discard, io.Discard), "-store")
	require.ErrorContains(t, Run(t.Context(), []string{"-jwt-secret", secret, "-store", inMemory, "-lease", "1s"}, io.Discard, io.Discard), "lease")
	c, err := parse([]string{"-jwt-secret", secret, "-retry", "1s, 2m", "-max-attempts", "4"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, []time.Duration{time.Second, 2 * time.Minute}, c.dispatcher.Retry.Delays)
	require.Equal(t, 4, c.dispatcher.Retry.MaxAttempts)
}
