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

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// wired sends with the keys of headers as they are written.
type wired struct {
	*endpoint

	keys []map[string][]string
}

func (w *wired) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.keys = append(w.keys, r.Header)
	w.mu.Unlock()
	return w.endpoint.RoundTrip(r)
}

func TestHeadersAreSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &wired{endpoint: &endpoint{}}
		r := newRig(t, nil, &webhook.DispatcherOptions{Transport: out, SecretKeys: []webhook.SecretKey{keyOne()}})
		useKeys(r, keyOne())
		plain := registration()
		_, err := r.svc.Register(t.Context(), merchant, plain)
		require.NoError(t, err)
		in := registration()
		in.Headers = webhook.Headers{"Authorization": credential, "x-tenant_ID": "42\t43"}
		reg, err := r.svc.Register(t.Context(), merchant, in)
		require.NoError(t, err)
		r.publish()
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
			require.Equal(t, []string{credential}, sent["Authorization"])
			require.Equal(t, []string{"42\t43"}, sent["x-tenant_ID"], "spelled as the merchant spelled it")
		}
		require.Equal(t, sizes[false]+2, sizes[true], "and beside them what every request has")

		// A change shows at once, and a second request within a rotation's grace has
		// them too.
		_, err = r.svc.Update(t.Context(), merchant, reg.Webhook.ID, webhook.Update{Headers: webhook.Headers{"X-New": "1"}})
		require.NoError(t, err)
		posts := func() (n int) {
			out.keys = nil
			r.publish()
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
		_, err = r.svc.Rotate(t.Context(), merchant, reg.Webhook.ID, webhook.DefaultGrace)
		require.NoError(t, err)
		out.set(knows(t, reg.Secret))
		require.Equal(t, 2, posts())
		r.close()
	})
}

// TestStoredHeadersAreCheckedAgain puts headers into the store that no rule lets
// in.
func TestStoredHeadersAreCheckedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs lockedBuffer
		out := &wired{endpoint: &endpoint{}}
		r := newRig(t, nil, &webhook.DispatcherOptions{Transport: out, Logger: slog.New(slog.NewTextHandler(&logs, nil))})
		reg, err := r.svc.Register(t.Context(), merchant, registration())
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
		_, err = r.store.UpdateWebhook(t.Context(), merchant, reg.Webhook.ID, store.WebhookUpdate{Headers: &sealed})
		require.NoError(t, err)
		for range 2 {
			r.publish()
			synctest.Wait()
		}
		require.Len(t, out.keys, 2)
		for i, sent := range out.keys {
			verify(t, reg.Secret, out.seen()[i], nil)
			for key, value := range sent {
				require.Equal(t, key == "X-Good", fmt.Sprint(value) == "[evil]", key)
			}
			require.Len(t, sent, 11, "those of every request, the mark of the transport, and X-Good")
		}
		require.Equal(t, len(names)-1, strings.Count(logs.String(), "webhook header is not sent"), "once for each, not for each delivery")
		require.NotContains(t, logs.String(), "evil")
		r.close()
	})
}

func TestHeadersThatDoNotOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newSealedRig(t, keyTwo(), keyTwo())
		in := registration()
		in.Headers = webhook.Headers{"Authorization": credential}
		reg, err := r.svc.Register(t.Context(), merchant, in)
		require.NoError(t, err)
		kept, err := r.store.Webhook(t.Context(), merchant, reg.Webhook.ID)
		require.NoError(t, err)
		swapped := "Authorization:" + kept.Secret
		_, err = r.store.UpdateWebhook(t.Context(), merchant, reg.Webhook.ID, store.WebhookUpdate{Headers: &swapped})
		require.NoError(t, err)
		p := r.publish()
		pass(10 * time.Second)
		require.Zero(t, r.endpoint.count(), "nothing is sent without them")
		d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
		require.Equal(t, webhook.DeliveryPending, d.Status)
		require.Zero(t, d.Attempts, "it is this side's fault")
		require.Equal(t, []string{"Authorization"}, r.webhook(reg.Webhook.ID).HeaderNames, "what is public needs no key")
		r.close()
	})
}

func TestHeadersAreRewrapped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newSealedRig(t, keyTwo(), keyOne())
		in := registration()
		in.Headers = webhook.Headers{"Authorization": credential}
		reg, err := r.svc.Register(t.Context(), merchant, in)
		require.NoError(t, err)
		useKeys(r, keyTwo(), keyOne())
		for _, want := range []int{1, 0} {
			n, err := r.svc.Rewrap(t.Context(), merchant)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		// Headers alone.
		useKeys(r, keyOne())
		_, err = r.svc.Update(t.Context(), merchant, reg.Webhook.ID, webhook.Update{Headers: in.Headers})
		require.NoError(t, err)
		useKeys(r, keyTwo(), keyOne())
		n, err := r.svc.Rewrap(t.Context(), merchant)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		r.publish()
		synctest.Wait()
		require.Equal(t, 1, r.endpoint.count())
		require.Equal(t, credential, r.endpoint.seen()[0].header.Get("Authorization"))
		r.close()
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
	old, st := newService(t, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{keyOne()}})
	in := registration()
	in.Headers = webhook.Headers{"Authorization": credential}
	reg, err := old.Register(t.Context(), merchant, in)
	require.NoError(t, err)
	busy := &restless{Store: st}
	svc, err := webhook.NewService(busy, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{keyTwo(), keyOne()}})
	require.NoError(t, err)

	changes := 0
	busy.change = func() {
		if changes++; changes <= 3 {
			_, err := old.Rotate(t.Context(), merchant, reg.Webhook.ID, 0)
			require.NoError(t, err)
		}
	}
	n, err := svc.Rewrap(t.Context(), merchant)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 4, changes)
	w, err := st.Webhook(t.Context(), merchant, reg.Webhook.ID)
	require.NoError(t, err)
	require.Contains(t, w.Secret, "v1.k2.")
	require.Contains(t, w.Headers, ":v1.k2.")

	busy.change = func() {
		_, err := old.Rotate(t.Context(), merchant, reg.Webhook.ID, 0)
		require.NoError(t, err)
	}
	busy.change()
	_, err = svc.Rewrap(t.Context(), merchant)
	require.ErrorIs(t, err, webhook.ErrVersion, "it does not try for ever")
	busy.change = func() { require.NoError(t, st.DeleteWebhook(t.Context(), merchant, reg.Webhook.ID, 0)) }
	n, err = svc.Rewrap(t.Context(), merchant)
	require.NoError(t, err)
	require.Zero(t, n)
}
