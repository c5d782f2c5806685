package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

const urlToken = "t0ken-of-the-receiver"

// A URL may hold what its receiver knows a caller by. However a delivery fails,
// no log and no observer gets to see any of it.
func TestURLsStayOutOfLogs(t *testing.T) {
	t.Parallel()
	const target = "https://hooks.example.com/in/" + urlToken + "?token=" + urlToken
	for name, answer := range map[string]func(harness.Call) (harness.Answer, error){
		"success":     harness.Always(http.StatusOK),
		"status":      harness.Always(http.StatusInternalServerError),
		"redirect":    harness.Always(http.StatusFound, "Location", target),
		"retry-after": harness.Always(http.StatusTooManyRequests, "Retry-After", urlToken),
		"url error": func(c harness.Call) (harness.Answer, error) {
			return harness.Answer{}, &url.Error{Op: "Post", URL: c.URL, Err: errors.New("no")}
		},
		"dns": func(c harness.Call) (harness.Answer, error) {
			return harness.Answer{}, &net.DNSError{Name: c.URL, Err: "no such host"}
		},
		"any error": func(c harness.Call) (harness.Answer, error) {
			return harness.Answer{}, fmt.Errorf("cannot post to %s", c.URL)
		},
		"silence":        harness.Hang,
		"unknown status": harness.Always(999),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var seen harness.LockedBuffer
				tell := func(v any) { fmt.Fprintf(&seen, "%+v\n", v) }
				logger := slog.New(slog.NewTextHandler(&seen, &slog.HandlerOptions{Level: slog.LevelDebug}))
				r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
					Logger: logger, DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 2},
					Observer: webhook.Observer{
						Attempted: func(_ context.Context, i webhook.AttemptInfo) { tell(i) },
						Settled:   func(_ context.Context, i webhook.SettledInfo) { tell(i) },
					},
				})
				_, err := r.Svc.Register(t.Context(), harness.Merchant, webhook.Registration{URL: target, Events: []string{"*"}})
				require.NoError(t, err)
				r.Endpoint.Set(answer)
				r.Publish()
				harness.Pass(10 * time.Minute)
				r.Close()
				require.Equal(t, target, r.Endpoint.Seen()[0].URL)
				require.NotEmpty(t, seen.String())
				for _, part := range []string{urlToken, "hooks.example.com", "token"} {
					require.NotContains(t, seen.String(), part)
				}
			})
		})
	}
}

// A URL that is in the store but cannot be posted to is our own fault, and logged
// as one.
func TestStoredURLsStayOutOfLogs(t *testing.T) {
	t.Parallel()
	for _, stored := range []string{"%zz" + urlToken, "https://[" + urlToken, "ftp://example.com/" + urlToken, "https://user:" + urlToken + "@\x7f/"} {
		synctest.Test(t, func(t *testing.T) {
			var logs harness.LockedBuffer
			st := memstore.New(nil)
			r := harness.NewRig(t, st, &webhook.DispatcherOptions{Logger: slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			reg := r.Register("document.created")
			_, err := st.UpdateWebhook(t.Context(), harness.Merchant, reg.Webhook.ID, store.WebhookUpdate{URL: &stored})
			require.NoError(t, err)
			r.Publish()
			harness.Pass(time.Second)
			r.Close()
			require.Contains(t, logs.String(), "level=ERROR")
			require.NotContains(t, logs.String(), urlToken)
		})
	}
}
