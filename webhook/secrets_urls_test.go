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
	for name, answer := range map[string]func(call) (answer, error){
		"success":     always(http.StatusOK),
		"status":      always(http.StatusInternalServerError),
		"redirect":    always(http.StatusFound, "Location", target),
		"retry-after": always(http.StatusTooManyRequests, "Retry-After", urlToken),
		"url error": func(c call) (answer, error) {
			return answer{}, &url.Error{Op: "Post", URL: c.url, Err: errors.New("no")}
		},
		"dns":            func(c call) (answer, error) { return answer{}, &net.DNSError{Name: c.url, Err: "no such host"} },
		"any error":      func(c call) (answer, error) { return answer{}, fmt.Errorf("cannot post to %s", c.url) },
		"silence":        hang,
		"unknown status": always(999),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var seen lockedBuffer
				tell := func(v any) { fmt.Fprintf(&seen, "%+v\n", v) }
				logger := slog.New(slog.NewTextHandler(&seen, &slog.HandlerOptions{Level: slog.LevelDebug}))
				r := newRig(t, nil, &webhook.DispatcherOptions{
					Logger: logger, DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 2},
					Observer: webhook.Observer{
						Attempted: func(_ context.Context, i webhook.AttemptInfo) { tell(i) },
						Settled:   func(_ context.Context, i webhook.SettledInfo) { tell(i) },
					},
				})
				_, err := r.svc.Register(t.Context(), merchant, webhook.Registration{URL: target, Events: []string{"*"}})
				require.NoError(t, err)
				r.endpoint.set(answer)
				r.publish()
				pass(10 * time.Minute)
				r.close()
				require.Equal(t, target, r.endpoint.seen()[0].url)
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
			var logs lockedBuffer
			st := memstore.New(nil)
			r := newRig(t, st, &webhook.DispatcherOptions{Logger: slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			reg := r.register("document.created")
			_, err := st.UpdateWebhook(t.Context(), merchant, reg.Webhook.ID, store.WebhookUpdate{URL: &stored})
			require.NoError(t, err)
			r.publish()
			pass(time.Second)
			r.close()
			require.Contains(t, logs.String(), "level=ERROR")
			require.NotContains(t, logs.String(), urlToken)
		})
	}
}
