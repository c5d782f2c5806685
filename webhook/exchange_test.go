package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

func TestExchangeIsKept(t *testing.T) {
	t.Parallel()
	const url = "https://example.com/hook?token=t0ken"
	for _, c := range []struct {
		name   string
		opts   webhook.DispatcherOptions
		answer func(harness.Call) (harness.Answer, error)
		check  func(t *testing.T, call harness.Call, got *webhook.Exchange)
	}{
		{
			"request and answer",
			webhook.DispatcherOptions{},
			harness.Always(http.StatusOK, "X-Request-Id", "r1\x01\xff", "Set-Cookie", "session=2", "X-Echo", "got Bearer hidden"),
			func(t *testing.T, call harness.Call, got *webhook.Exchange) {
				t.Helper()
				require.Equal(t, url, got.URL)
				require.Equal(t, []webhook.HeaderField{
					{Name: "Set-Cookie", Hidden: true}, {Name: "X-Echo", Hidden: true}, {Name: "X-Request-Id", Value: "r1 \uFFFD"},
				}, got.Response)
				require.Contains(t, got.Request, webhook.HeaderField{Name: "X-Webhook-Signature", Value: call.Header.Get("X-Webhook-Signature")})
				require.Contains(t, got.Request, webhook.HeaderField{Name: "webhook-signature", Value: call.Header.Get("Webhook-Signature")})
				require.Contains(t, got.Request, webhook.HeaderField{Name: "Authorization", Hidden: true})
				require.Len(t, got.Request, len(call.Header))
			},
		},
		{
			"no more of an answer than 2 KiB",
			webhook.DispatcherOptions{},
			harness.Always(http.StatusOK, "A", strings.Repeat("x", 1000), "B", strings.Repeat("x", 2000)),
			func(t *testing.T, _ harness.Call, got *webhook.Exchange) {
				t.Helper()
				require.Len(t, got.Response, 1)
			},
		},
		{
			"no answer",
			webhook.DispatcherOptions{},
			func(harness.Call) (harness.Answer, error) { return harness.Answer{}, errors.New("gone") },
			func(t *testing.T, call harness.Call, got *webhook.Exchange) {
				t.Helper()
				require.Len(t, got.Request, len(call.Header))
				require.Empty(t, got.Response)
			},
		},
		{
			"omitted",
			webhook.DispatcherOptions{OmitExchange: true},
			nil,
			func(t *testing.T, _ harness.Call, got *webhook.Exchange) {
				t.Helper()
				require.Nil(t, got)
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				keys := []webhook.SecretKey{{ID: "k1", Key: [32]byte{1}}}
				st := memstore.New(nil)
				svc, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: keys})
				require.NoError(t, err)
				c.opts.SecretKeys = keys
				endpoint := &harness.Endpoint{Answer: c.answer}
				c.opts.Transport = endpoint
				reg, err := svc.Register(t.Context(), harness.Merchant, webhook.Registration{
					URL: url, Events: []string{"*"}, Headers: webhook.Headers{"Authorization": "Bearer hidden"},
				})
				require.NoError(t, err)
				d, err := svc.Test(t.Context(), harness.Merchant, reg.Webhook.ID)
				require.NoError(t, err)
				disp, err := webhook.NewDispatcher(st, &c.opts)
				require.NoError(t, err)
				ctx, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				require.NoError(t, disp.Run(ctx))

				got, err := svc.Delivery(t.Context(), harness.Merchant, reg.Webhook.ID, d.ID)
				require.NoError(t, err)
				require.Len(t, got.Log, 1)
				c.check(t, endpoint.Seen()[0], got.Log[0].Exchange)

				kept, err := st.Delivery(t.Context(), harness.Merchant, reg.Webhook.ID, d.ID)
				require.NoError(t, err)
				require.NotContains(t, kept.Log[0].Exchange, "t0ken", "it is sealed")
				require.LessOrEqual(t, len(kept.Log[0].Exchange), store.MaxExchange)
				other, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{{ID: "k2", Key: [32]byte{2}}}})
				require.NoError(t, err)
				got, err = other.Delivery(t.Context(), harness.Merchant, reg.Webhook.ID, d.ID)
				require.NoError(t, err)
				require.Nil(t, got.Log[0].Exchange, "no key opens it")
			})
		})
	}
}
