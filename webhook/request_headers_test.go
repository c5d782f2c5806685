package webhook_test

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		given := map[string]string{"traceparent": "00-a-b-01", "Tracestate": "a=b", "x-b3-traceid": "c", "X-Region": "eu", "authorization": "mine"}
		refused := map[string]string{
			"X-Webhook-Signature": "sha256=forged", "x-webhook-signature": "sha256=forged", "X_Webhook_Signature": "sha256=forged",
			"webhook-signature": "v1,forged", "Webhook-ID": "evt_other", "webhook_timestamp": "0", "X-Webhook-Event": "other",
			"User-Agent": "other", "Content-Type": "text/plain", "content-length": "1", "Host": "other.example.com",
			"Transfer-Encoding": "chunked", "Expect": "100-continue", "x-b3-\r\nX-Evil": "1", "X-Line": "a\r\nX-Evil: 1", "X-Empty": "", "": "x",
		}
		var told webhook.AttemptInfo
		var logs strings.Builder
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
			Logger: textLogger(&logs),
			RequestHeaders: func(_ context.Context, i webhook.AttemptInfo) map[string]string {
				told = i
				out := map[string]string{}
				for _, from := range []map[string]string{given, refused} {
					maps.Copy(out, from)
				}
				return out
			},
		})
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, webhook.Registration{
			URL: "https://example.com/hook", Events: []string{"document.created"}, Headers: webhook.Headers{"Authorization": "Bearer theirs"},
		})
		require.NoError(t, err)
		r.Publish()
		harness.Pass(time.Second)
		require.Len(t, r.Endpoint.Seen(), 1)
		c := r.Endpoint.Seen()[0]
		harness.Verify(t, reg.Secret, c, nil)
		require.Equal(t, 1, told.Number)
		require.Equal(t, reg.Webhook.ID, told.WebhookID)
		for name, value := range map[string]string{
			"Traceparent": "00-a-b-01", "Tracestate": "a=b", "X-B3-Traceid": "c", "X-Region": "eu",
			"Authorization": "Bearer theirs", "User-Agent": signer.DefaultUserAgent, "Content-Type": "application/json",
		} {
			require.Equal(t, []string{value}, c.Header.Values(name), name)
		}
		for name := range c.Header {
			require.NotContains(t, name, "_")
			require.NotContains(t, name, "Evil")
			require.NotContains(t, []string{"Host", "Content-Length", "Transfer-Encoding", "Expect", "X-Empty", "X-Line", ""}, name)
		}
		require.Equal(t, len(refused), strings.Count(logs.String(), "webhook header of RequestHeaders is not sent"))
		require.NotContains(t, logs.String(), "forged")
		r.Close()
	})
}

func TestRequestHeadersThatPanicCostNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
			RequestHeaders: func(context.Context, webhook.AttemptInfo) map[string]string { panic("bug") },
		})
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(harness.Always(http.StatusOK))
		p := r.Publish()
		harness.Pass(time.Second)
		require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)
		r.Close()
	})
}

// A function that takes longer than the lease has costs no second delivery: whoever
// has the delivery then sends it.
func TestSlowRequestHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
			RequestHeaders: func(ctx context.Context, _ webhook.AttemptInfo) map[string]string {
				if asked.Add(1) == 1 {
					<-ctx.Done()                 // It is told,
					time.Sleep(61 * time.Second) // and does not listen.
				}
				return nil
			},
		})
		r.Register(event.TypeDocumentCreated)
		r.Publish()
		synctest.Wait()
		stop := r.Another(webhook.DispatcherOptions{})
		harness.Pass(5 * time.Minute)
		require.Equal(t, 1, r.Endpoint.Count())
		stop()
		r.Close()
	})
}
