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
	require.Contains(t, w.Headers, ":v2.k2.")

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

// Whoever can change a URL must not get to see headers that are never shown.
func TestHeadersStayWithTheirOrigin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []webhook.Notice
		out := &wired{Endpoint: &harness.Endpoint{}}
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
			Transport: out, SecretKeys: []webhook.SecretKey{harness.KeyOne()},
			OnNotice: func(_ context.Context, n webhook.Notice) error { told = append(told, n); return nil },
		})
		useKeys(r, harness.KeyOne())
		in := harness.Registration()
		in.Headers = webhook.Headers{"Authorization": harness.Credential}
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, in)
		require.NoError(t, err)
		set := func(url string, h webhook.Headers) error {
			_, err := r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{URL: &url, Headers: h})
			return err
		}
		sent := func() []string {
			t.Helper()
			out.keys = nil
			p := r.Publish()
			synctest.Wait()
			require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)
			return out.keys[0]["Authorization"]
		}
		for _, same := range []string{"https://example.com/other", "https://EXAMPLE.com:443/hook?a=b"} {
			require.NoError(t, set(same, nil))
			require.Equal(t, []string{harness.Credential}, sent(), same)
		}
		for _, other := range []string{"https://evil.example/hook", "https://example.com:8443/hook", "https://www.example.com/hook"} {
			require.Contains(t, fields(t, set(other, nil)), "headers", other)
		}
		require.Equal(t, []string{harness.Credential}, sent(), "nothing has changed")
		require.Empty(t, told)

		require.NoError(t, set("https://example.org/hook", webhook.Headers{"Authorization": "another"}))
		require.Equal(t, []string{"another"}, sent())
		harness.Pass(time.Minute)
		require.Len(t, told, 1, "the owner is told")
		require.Equal(t, webhook.NoticeMoved, told[0].Kind)
		require.Equal(t, "https://example.org/hook", told[0].URL)
		require.NoError(t, set("https://example.net/hook", webhook.Headers{}))
		require.Empty(t, sent(), "none are none")
		require.NoError(t, set("https://example.com/hook", nil), "and do not bind")

		// Nor does a store that was changed behind our back send them elsewhere.
		_, err = r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Headers: in.Headers})
		require.NoError(t, err)
		require.Equal(t, []string{harness.Credential}, sent())
		evil := "https://evil.example/hook"
		_, err = r.Store.UpdateWebhook(t.Context(), harness.Merchant, reg.Webhook.ID, store.WebhookUpdate{URL: &evil})
		require.NoError(t, err)
		out.keys = nil
		r.Publish()
		synctest.Wait()
		require.Empty(t, out.keys)
		r.Close()
	})
}

// meddler changes a webhook right after it was looked at.
type meddler struct {
	*memstore.Store

	change func()
}

func (m *meddler) Webhook(ctx context.Context, merchantID, id string) (store.Webhook, error) {
	w, err := m.Store.Webhook(ctx, merchantID, id)
	m.change()
	return w, err
}

func TestAWebhookMovesMeanwhile(t *testing.T) {
	t.Parallel()
	keys := &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{harness.KeyOne()}}
	other, st := harness.NewService(t, keys)
	reg, err := other.Register(t.Context(), harness.Merchant, harness.Registration())
	require.NoError(t, err)
	busy := &meddler{Store: st, change: func() {}}
	svc, err := webhook.NewService(busy, keys)
	require.NoError(t, err)
	url := "https://example.org/hook"
	changes := 0
	busy.change = func() {
		if changes++; changes == 1 {
			_, err := other.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Headers: webhook.Headers{"X-A": "1"}})
			require.NoError(t, err)
		}
	}
	_, err = svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{URL: &url})
	require.Contains(t, fields(t, err), "headers", "it has some by now")
	require.Equal(t, 2, changes)
	busy.change = func() {
		_, err := other.Rotate(t.Context(), harness.Merchant, reg.Webhook.ID, 0)
		require.NoError(t, err)
	}
	_, err = svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{URL: &url, Headers: webhook.Headers{}})
	require.ErrorIs(t, err, webhook.ErrVersion, "it does not try for ever")
}
