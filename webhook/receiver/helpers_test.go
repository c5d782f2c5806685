package receiver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_xyz789abc123def456ghi789jkl012mno345"

// signed is a request as a sender makes it.
func signed(tb testing.TB, body string) *http.Request {
	tb.Helper()
	return message(tb, "msg_1", time.Now(), body)
}

// message is a request with a message id, sent at a time.
func message(tb testing.TB, id string, at time.Time, body string) *http.Request {
	tb.Helper()
	key, err := signer.ParseSecret(secret)
	require.NoError(tb, err)
	s, err := signer.New(key)
	require.NoError(tb, err)
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/webhooks", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(signer.HeaderStandardID, id)
	r.Header.Set(signer.HeaderStandardTimestamp, strconv.FormatInt(at.Unix(), 10))
	r.Header.Set(signer.HeaderStandardSignature, string(s.AppendStandard(nil, id, at, []byte(body))))
	return r
}

// body is an event of document.created.
func body(id, data string) string { return typed(id, "document.created", data) }

func typed(id, kind, data string) string {
	return fmt.Sprintf(`{"created":"2025-11-04T12:36:00Z","data":%s,"id":%q,"type":%q}`, data, id, kind)
}

// post hands a receiver a signed request and returns the answer.
func post(tb testing.TB, r *receiver.Receiver, body string) *httptest.ResponseRecorder {
	tb.Helper()
	w := httptest.NewRecorder()
	r.ServeHTTP(w, signed(tb, body))
	if w.Code/100 != 2 {
		var refusal struct{ Error string }
		require.NoError(tb, json.Unmarshal(w.Body.Bytes(), &refusal), w.Body.String())
		require.NotEmpty(tb, refusal.Error)
		require.Equal(tb, "application/json", w.Header().Get("Content-Type"))
	}
	return w
}

// waits is how many seconds an answer asks to wait.
func waits(t *testing.T, w *httptest.ResponseRecorder) int {
	t.Helper()
	seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
	require.NoError(t, err)
	return seconds
}

// newReceiver makes a receiver that has one handler for everything.
func newReceiver(tb testing.TB, o *receiver.Options, h receiver.HandlerFunc) *receiver.Receiver {
	tb.Helper()
	mux := receiver.NewMux()
	mux.Handle("*", h)
	r, err := receiver.New(secret, mux, o)
	require.NoError(tb, err)
	return r
}

// syncBuffer is for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func nothing(context.Context, event.Event) error { return nil }

func noon() time.Time { return time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC) }
