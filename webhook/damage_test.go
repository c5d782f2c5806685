package webhook_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// spoiling is a store of which something is damaged.
type spoiling struct {
	harness.Spoiled

	body  map[string][]byte       // what is left of events, by id
	lease func(l *store.Lease)    // what is left of a lease
	shown func(d *store.Delivery) // and of a delivery
}

func (s *spoiling) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	out, err := s.Store.Claim(ctx, c)
	for i := range out.Leases {
		if s.lease != nil {
			s.lease(&out.Leases[i])
		}
	}
	return out, err
}

func (s *spoiling) Event(ctx context.Context, merchantID, id string) (store.Event, error) {
	e, err := s.Store.Event(ctx, merchantID, id)
	if body, ok := s.body[id]; ok {
		e.Body = body
	}
	return e, err
}

func (s *spoiling) Delivery(ctx context.Context, merchantID, webhookID, id string) (store.Delivery, error) {
	d, err := s.Store.Delivery(ctx, merchantID, webhookID, id)
	if s.shown != nil {
		s.shown(&d)
	}
	return d, err
}

// TestDamagedBody cuts and overwrites the bodies of some events: they end, with a line that
// names them, and nothing of them is sent. The others arrive.
func TestDamagedBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs strings.Builder
		st := &spoiling{Spoiled: harness.Spoiled{Store: memstore.New(nil)}}
		broken := [][]byte{nil, []byte("{"), []byte("garbage"), []byte(`{"id":"evt_1","ty`)}
		n := 0
		st.lease = func(l *store.Lease) {
			if n++; n <= len(broken) {
				l.Body = broken[n-1]
			}
		}
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{Logger: textLogger(&logs)})
		w := r.Register(event.TypeDocumentCreated).Webhook
		for range len(broken) + 2 {
			r.Publish()
		}
		harness.Pass(time.Minute)
		page, err := r.Svc.Deliveries(t.Context(), harness.Merchant, w.ID, webhook.DeliveryQuery{Limit: 10})
		require.NoError(t, err)
		got := map[webhook.Code]int{}
		for _, d := range page.Deliveries {
			got[d.Code]++
		}
		require.Equal(t, map[webhook.Code]int{webhook.CodeDamaged: len(broken), "": 2}, got)
		require.Zero(t, r.Webhook(w.ID).ConsecutiveFailures, "it is no fault of the endpoint")
		require.Equal(t, len(broken), strings.Count(logs.String(), "webhook event damaged"))
		require.NotContains(t, logs.String(), "garbage", "no line has a body")
		r.Close()
	})
}

// TestDamagedPayload shows a delivery of which the event is damaged or unknown.
func TestDamagedPayload(t *testing.T) {
	t.Parallel()
	st := &spoiling{Spoiled: harness.Spoiled{Store: memstore.New(nil)}, body: map[string][]byte{}}
	svc, err := webhook.NewService(st, nil)
	require.NoError(t, err)
	w, err := svc.Register(t.Context(), harness.Merchant, webhook.Registration{URL: "https://example.com", Events: []string{"document.created"}})
	require.NoError(t, err)
	p, err := svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(t, err)
	show := func() webhook.DeliveryDetail {
		d, err := svc.Delivery(t.Context(), harness.Merchant, w.Webhook.ID, p.Deliveries[0].ID)
		require.NoError(t, err)
		return d
	}
	require.NotEmpty(t, show().Payload)
	st.body[p.EventID] = []byte(`{"id":`)
	require.Empty(t, show().Payload)
	st.shown = func(d *store.Delivery) { d.EventID, d.EventType = "", "" }
	require.Empty(t, show().Payload)
}

// TestDamagedWebhook lists the others beside one that cannot be read, and deletes that.
func TestDamagedWebhook(t *testing.T) {
	t.Parallel()
	st := &spoiling{Spoiled: harness.Spoiled{Store: memstore.New(nil)}}
	svc, err := webhook.NewService(st, nil)
	require.NoError(t, err)
	var ids []string
	for range 3 {
		w, err := svc.Register(t.Context(), harness.Merchant, webhook.Registration{URL: "https://example.com", Events: []string{"document.created"}})
		require.NoError(t, err)
		ids = append(ids, w.Webhook.ID)
	}
	st.WebhookID = ids[1]
	page, err := svc.Webhooks(t.Context(), harness.Merchant, webhook.WebhookQuery{})
	require.NoError(t, err)
	require.Len(t, page.Webhooks, 2)
	require.Equal(t, ids[1:2], page.Damaged)
	_, err = svc.Webhook(t.Context(), harness.Merchant, ids[1])
	require.ErrorIs(t, err, webhook.ErrDamaged)
	n, err := svc.Rewrap(t.Context(), harness.Merchant)
	require.Zero(t, n)
	require.ErrorIs(t, err, webhook.ErrDamaged, "its key is still needed, as far as anybody knows")
	require.ErrorContains(t, err, ids[1])
	require.NoError(t, svc.Delete(t.Context(), harness.Merchant, ids[1], 0))
}

// TestLostKey takes away the key that has sealed what one webhook has. That webhook waits
// and says so, the others go on, and a rotation mends it. One that waits for too long ends
// with a code of its own.
func TestLostKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs strings.Builder
		st := memstore.New(nil)
		gone, kept := webhook.SecretKey{ID: "gone", Key: [32]byte{1}}, webhook.SecretKey{ID: "kept", Key: [32]byte{2}}
		before, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{gone}})
		require.NoError(t, err)
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{Logger: textLogger(&logs), SecretKeys: []webhook.SecretKey{kept}, MaxReclaims: 4})
		r.Svc, err = webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{kept}})
		require.NoError(t, err)
		lost, err := before.Register(t.Context(), harness.Merchant, webhook.Registration{
			URL: "https://example.com/hook", Events: []string{"document.created"}, Headers: map[string]string{"X-Tenant": "a"},
		})
		require.NoError(t, err)
		other := r.Register(event.TypeDocumentCreated).Webhook
		p := r.Publish()
		harness.Pass(time.Second)

		shown := r.Webhook(lost.Webhook.ID)
		require.True(t, shown.SecretLost)
		require.True(t, shown.HeadersLost)
		require.False(t, r.Webhook(other.ID).SecretLost)
		require.Equal(t, webhook.DeliverySucceeded, r.Delivery(other.ID, deliveryOf(p, other.ID)).Status)
		require.Equal(t, webhook.DeliveryPending, r.Delivery(lost.Webhook.ID, deliveryOf(p, lost.Webhook.ID)).Status)
		require.Contains(t, logs.String(), "webhook secret or headers cannot be opened")
		require.Contains(t, logs.String(), lost.Webhook.ID)

		_, err = r.Svc.Rotate(t.Context(), harness.Merchant, lost.Webhook.ID, time.Hour)
		require.NoError(t, err)
		require.Zero(t, r.Webhook(lost.Webhook.ID).PreviousUntil, "nobody can sign with the old one")
		_, err = r.Svc.Update(t.Context(), harness.Merchant, lost.Webhook.ID, webhook.Update{Headers: map[string]string{}})
		require.NoError(t, err)
		require.False(t, r.Webhook(lost.Webhook.ID).SecretLost)
		require.False(t, r.Webhook(lost.Webhook.ID).HeadersLost)
		harness.Pass(2 * time.Minute)
		require.Equal(t, webhook.DeliverySucceeded, r.Delivery(lost.Webhook.ID, deliveryOf(p, lost.Webhook.ID)).Status)

		again, err := before.Register(t.Context(), harness.Merchant, webhook.Registration{URL: "https://example.com/hook", Events: []string{"document.created"}})
		require.NoError(t, err)
		p = r.Publish()
		harness.Pass(3 * time.Hour)
		d := r.Delivery(again.Webhook.ID, deliveryOf(p, again.Webhook.ID))
		require.Equal(t, webhook.CodeSecretLost, d.Code)
		require.Zero(t, r.Webhook(again.Webhook.ID).ConsecutiveFailures)
		r.Close()
	})
}

func deliveryOf(p webhook.Publication, webhookID string) string {
	for _, d := range p.Deliveries {
		if d.WebhookID == webhookID {
			return d.ID
		}
	}
	panic(errors.New("it has no delivery"))
}
