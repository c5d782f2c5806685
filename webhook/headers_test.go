package webhook_test

import (
	"context"
	"fmt"
	"log/slog"
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

// wired sends with the keys of headers as they are written.
type wired struct {
	*harness.Endpoint

	keys []map[string][]string
}

func (w *wired) RoundTrip(r *http.Request) (*http.Response, error) {
	w.Mu.Lock()
	w.keys = append(w.keys, r.Header)
	w.Mu.Unlock()
	return w.Endpoint.RoundTrip(r)
}

func TestHeadersAreSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &wired{Endpoint: &harness.Endpoint{}}
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Transport: out, SecretKeys: []webhook.SecretKey{harness.KeyOne()}})
		useKeys(r, harness.KeyOne())
		plain := harness.Registration()
		_, err := r.Svc.Register(t.Context(), harness.Merchant, plain)
		require.NoError(t, err)
		in := harness.Registration()
		in.Headers = webhook.Headers{"Authorization": harness.Credential, "x-tenant_ID": "42\t43"}
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, in)
		require.NoError(t, err)
		r.Publish()
		synctest.Wait()
		require.Len(t, out.keys, 2)
		sizes := map[bool]int{}
		for _, sent := range out.keys {
			own := sent["X-Webhook-ID"][0] == reg.Webhook.ID
			sizes[own] = len(sent)
			if !own {
				require.NotContains(t, sent, "Authorization")
				continue
			}
			require.Equal(t, []string{harness.Credential}, sent["Authorization"])
			require.Equal(t, []string{"42\t43"}, sent["x-tenant_ID"], "spelled as the merchant spelled it")
		}
		require.Equal(t, sizes[false]+2, sizes[true], "and beside them what every request has")

		// A change shows at once, and a second request within a rotation's grace has
		// them too.
		_, err = r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Headers: webhook.Headers{"X-New": "1"}})
		require.NoError(t, err)
		posts := func() (n int) {
			out.keys = nil
			r.Publish()
			synctest.Wait()
			for _, sent := range out.keys {
				if sent["X-Webhook-ID"][0] == reg.Webhook.ID {
					n++
					require.Equal(t, []string{"1"}, sent["X-New"])
					require.NotContains(t, sent, "Authorization")
				}
			}
			return n
		}
		require.Equal(t, 1, posts())
		_, err = r.Svc.Rotate(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.DefaultGrace)
		require.NoError(t, err)
		out.Set(harness.Knows(t, reg.Secret))
		require.Equal(t, 2, posts())
		r.Close()
	})
}

// TestStoredHeadersAreCheckedAgain puts headers into the store that no rule lets
// in.
func TestStoredHeadersAreCheckedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs harness.LockedBuffer
		out := &wired{Endpoint: &harness.Endpoint{}}
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Transport: out, Logger: slog.New(slog.NewTextHandler(&logs, nil))})
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, harness.Registration())
		require.NoError(t, err)
		names := []string{
			"Content-Type", "X-Webhook-ID", "x-webhook-id", "X-Webhook-Signature", "X_Webhook_Signature", "webhook-signature", "Webhook-Id",
			"content-length", "Host", "X-Idempotency-Key", "bad name", "X-Crlf", "X-Good", "X-Empty",
		}
		values := make([]string, len(names))
		for i := range values {
			values[i] = "evil"
		}
		values[len(values)-3], values[len(values)-1] = "a\rb", ""
		sealed := strings.Join(names, ",") + ":v0." + strings.Join(values, "\n")
		_, err = r.Store.UpdateWebhook(t.Context(), harness.Merchant, reg.Webhook.ID, store.WebhookUpdate{Headers: &sealed})
		require.NoError(t, err)
		for range 2 {
			r.Publish()
			synctest.Wait()
		}
		require.Len(t, out.keys, 2)
		for i, sent := range out.keys {
			harness.Verify(t, reg.Secret, out.Seen()[i], nil)
			for key, value := range sent {
				require.Equal(t, key == "X-Good", fmt.Sprint(value) == "[evil]", key)
			}
			require.Len(t, sent, 11, "those of every request, the mark of the transport, and X-Good")
		}
		require.Equal(t, len(names)-1, strings.Count(logs.String(), "webhook header is not sent"), "once for each, not for each delivery")
		require.NotContains(t, logs.String(), "evil")
		r.Close()
	})
}

func TestHeadersThatDoNotOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newSealedRig(t, keyTwo(), keyTwo())
		in := harness.Registration()
		in.Headers = webhook.Headers{"Authorization": harness.Credential}
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, in)
		require.NoError(t, err)
		kept, err := r.Store.Webhook(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		swapped := "Authorization:" + kept.Secret
		_, err = r.Store.UpdateWebhook(t.Context(), harness.Merchant, reg.Webhook.ID, store.WebhookUpdate{Headers: &swapped})
		require.NoError(t, err)
		p := r.Publish()
		harness.Pass(10 * time.Second)
		require.Zero(t, r.Endpoint.Count(), "nothing is sent without them")
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliveryPending, d.Status)
		require.Zero(t, d.Attempts, "it is this side's fault")
		require.Equal(t, []string{"Authorization"}, r.Webhook(reg.Webhook.ID).HeaderNames, "what is public needs no key")
		r.Close()
	})
}

func TestHeadersAreRewrapped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newSealedRig(t, keyTwo(), harness.KeyOne())
		in := harness.Registration()
		in.Headers = webhook.Headers{"Authorization": harness.Credential}
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, in)
		require.NoError(t, err)
		useKeys(r, keyTwo(), harness.KeyOne())
		for _, want := range []int{1, 0} {
			n, err := r.Svc.Rewrap(t.Context(), harness.Merchant)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		// Headers alone.
		useKeys(r, harness.KeyOne())
		_, err = r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Headers: in.Headers})
		require.NoError(t, err)
		useKeys(r, keyTwo(), harness.KeyOne())
		n, err := r.Svc.Rewrap(t.Context(), harness.Merchant)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		r.Publish()
		synctest.Wait()
		require.Equal(t, 1, r.Endpoint.Count())
		require.Equal(t, harness.Credential, r.Endpoint.Seen()[0].Header.Get("Authorization"))
		r.Close()
	})
}

// restless is a store in which a webhook changes whenever it is to be resealed.
type restless struct {
	*memstore.Store

	change func()
}

func (r *restless) UpdateWebhook(ctx context.Context, m, id string, u store.WebhookUpdate) (store.Webhook, error) {
	if u.Reseal != nil {
		r.change()
	}
	return r.Store.UpdateWebhook(ctx, m, id, u)
}

func TestRewrapWhileAWebhookChanges(t *testing.T) {
	t.Parallel()
	old, st := harness.NewService(t, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{harness.KeyOne()}})
	in := harness.Registration()
	in.Headers = webhook.Headers{"Authorization": harness.Credential}
	reg, err := old.Register(t.Context(), harness.Merchant, in)
	require.NoError(t, err)
	busy := &restless{Store: st}
	svc, err := webhook.NewService(busy, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{keyTwo(), harness.KeyOne()}})
	require.NoError(t, err)

	changes := 0
	busy.change = func() {
		if changes++; changes <= 3 {
			_, err := old.Rotate(t.Context(), harness.Merchant, reg.Webhook.ID, 0)
			require.NoError(t, err)
		}
	}
	n, err := svc.Rewrap(t.Context(), harness.Merchant)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 4, changes)
	w, err := st.Webhook(t.Context(), harness.Merchant, reg.Webhook.ID)
	require.NoError(t, err)
	require.Contains(t, w.Secret, "v1.k2.")
	require.Contains(t, w.Headers, ":v1.k2.")

	busy.change = func() {
		_, err := old.Rotate(t.Context(), harness.Merchant, reg.Webhook.ID, 0)
		require.NoError(t, err)
	}
	busy.change()
	_, err = svc.Rewrap(t.Context(), harness.Merchant)
	require.ErrorIs(t, err, webhook.ErrVersion, "it does not try for ever")
	busy.change = func() { require.NoError(t, st.DeleteWebhook(t.Context(), harness.Merchant, reg.Webhook.ID, 0)) }
	n, err = svc.Rewrap(t.Context(), harness.Merchant)
	require.NoError(t, err)
	require.Zero(t, n)
}
