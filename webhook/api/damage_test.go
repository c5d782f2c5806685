package api_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// spoiling is a store of which one webhook, some deliveries, or events are damaged.
type spoiling struct {
	harness.Spoiled

	deliveries []string
	lost       bool   // nothing is left of events but what is theirs in a delivery
	body       []byte // if set, what is left of each body
}

func (s *spoiling) Deliveries(ctx context.Context, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
	page, err := s.Store.Deliveries(ctx, merchantID, webhookID, q)
	page.Damaged = s.deliveries
	for i := range page.Deliveries {
		s.spoil(&page.Deliveries[i])
	}
	return page, err
}

func (s *spoiling) Delivery(ctx context.Context, merchantID, webhookID, id string) (store.Delivery, error) {
	d, err := s.Store.Delivery(ctx, merchantID, webhookID, id)
	s.spoil(&d)
	return d, err
}

func (s *spoiling) spoil(d *store.Delivery) {
	if s.lost {
		d.EventID, d.EventType, d.Status, d.Code = "", "", store.DeliveryFailed, store.CodeDamaged
	}
}

func (s *spoiling) Event(ctx context.Context, merchantID, eventID string) (store.Event, error) {
	e, err := s.Store.Event(ctx, merchantID, eventID)
	if s.body != nil {
		e.Body = s.body
	}
	return e, err
}

// TestDamaged asks for what is damaged, and for lists that it is in.
func TestDamaged(t *testing.T) {
	t.Parallel()
	st := &spoiling{Spoiled: harness.Spoiled{Store: memstore.New(nil)}}
	s := newSite(t, st, nil)
	one, two := s.hook(harness.Merchant), s.hook(harness.Merchant)
	st.WebhookID = two
	a := s.do(http.MethodGet, hooks+"/"+two, "").is(http.StatusInternalServerError)
	require.Equal(t, "damaged", a.refusal().Code)
	require.Contains(t, a.body, "can also be deleted")
	require.Contains(t, s.log.String(), two)
	a = s.do(http.MethodGet, hooks, "").is(http.StatusOK)
	require.Contains(t, a.body, `"webhookId":"`+one+`"`)
	require.Contains(t, a.body, `"damaged":["`+two+`"]`)

	p := s.published(harness.Merchant)
	log := hooks + "/" + one + "/deliveries"
	st.deliveries = []string{"whdel_damaged"}
	a = s.do(http.MethodGet, log, "").is(http.StatusOK)
	require.Contains(t, a.body, `"damaged":["whdel_damaged"]`)
	require.Contains(t, a.body, `"eventType":"document.created"`)
	s.do(http.MethodGet, hooks+"/"+two+"/deliveries", "").is(http.StatusOK)

	id := ""
	for _, d := range p.Deliveries {
		if d.WebhookID == one {
			id = d.ID
		}
	}
	st.body = []byte(`{"id":`)
	require.Contains(t, s.do(http.MethodGet, log+"/"+id, "").is(http.StatusOK).body, `"payload":null`)
	st.lost = true
	for _, path := range []string{log, log + "/" + id} {
		a = s.do(http.MethodGet, path, "").is(http.StatusOK)
		require.Contains(t, a.body, `"eventType":"event.unknown"`)
		require.Contains(t, a.body, `"error":"damaged"`)
	}
	require.Contains(t, a.body, `"eventId":"evt_unknown"`)
	s.do(http.MethodDelete, hooks+"/"+two, "").is(http.StatusOK)
}

// TestLostSecret shows a webhook of which no key opens what is sealed.
func TestLostSecret(t *testing.T) {
	t.Parallel()
	st := memstore.New(nil)
	before, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{{ID: "gone", Key: [32]byte{9}}}})
	require.NoError(t, err)
	w, err := before.Register(t.Context(), harness.Merchant, webhook.Registration{
		URL: "https://example.com/hook", Events: []string{"document.created"}, Headers: map[string]string{"X-Tenant": "a"},
	})
	require.NoError(t, err)
	s := newSite(t, st, nil)
	one := hooks + "/" + w.Webhook.ID
	for _, path := range []string{hooks, one} {
		a := s.do(http.MethodGet, path, "").is(http.StatusOK)
		require.Contains(t, a.body, `"secretLost":true`)
		require.Contains(t, a.body, `"headersLost":true`)
	}
	s.do(http.MethodPost, one+"/secret/rotate", `{}`).is(http.StatusOK)
	s.do(http.MethodPut, one, `{"headers":{}}`).is(http.StatusOK)
	require.NotContains(t, s.do(http.MethodGet, one, "").is(http.StatusOK).body, "Lost")
}
