package portal_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// spoiling is a store of which one webhook, a delivery of each page, and all events are damaged.
type spoiling struct {
	harness.Spoiled
}

func (s *spoiling) Deliveries(ctx context.Context, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
	page, err := s.Store.Deliveries(ctx, merchantID, webhookID, q)
	page.Damaged = []string{"whdel_damaged"}
	for i := range page.Deliveries {
		lose(&page.Deliveries[i])
	}
	return page, err
}

func (s *spoiling) Delivery(ctx context.Context, merchantID, webhookID, id string) (store.Delivery, error) {
	d, err := s.Store.Delivery(ctx, merchantID, webhookID, id)
	lose(&d)
	return d, err
}

func (s *spoiling) Event(context.Context, string, string) (store.Event, error) {
	return store.Event{}, store.ErrDamaged
}

func (s *spoiling) EventDeliveries(ctx context.Context, merchantID, eventID string) (store.EventDeliveries, error) {
	fate, err := s.Store.EventDeliveries(ctx, merchantID, eventID)
	return fate, errors.Join(err, store.ErrDamaged)
}

func lose(d *store.Delivery) {
	d.EventID, d.EventType, d.Status, d.Code = "", "", store.DeliveryFailed, store.CodeDamaged
}

// TestDamaged looks at pages with something damaged on them: each shows the rest, and says
// what to do.
func TestDamaged(t *testing.T) {
	t.Parallel()
	mem := memstore.New(nil)
	st := &spoiling{harness.Spoiled{Store: mem}}
	s := newSiteOn(t, mem, func(webhook.ServiceStore) webhook.ServiceStore { return st }, nil)
	one, two := s.hook(), s.hook()
	id := s.webhook(two).ID
	delivery := one + "/deliveries/" + s.delivered(one, store.Result{Outcome: store.Succeeded})
	st.WebhookID = id
	s.happens("evt_1", map[string]any{}, "document.created")

	list := s.do("/", nil).is(http.StatusOK)
	require.Contains(t, list.text, "A webhook of yours is damaged on our side")
	require.Contains(t, list.text, id)
	require.Contains(t, list.body, `href=".`+one+`"`, "the other one is there")
	page := s.do(two, nil).is(http.StatusInternalServerError)
	require.Contains(t, page.text, "trying again does not help")
	require.Contains(t, s.log.String(), id)

	require.Contains(t, s.do(one+"/deliveries", nil).is(http.StatusOK).text, "1 delivery of this page cannot be read any more")
	shown := s.do(delivery, nil).is(http.StatusOK)
	require.Contains(t, shown.text, "Unknown event")
	require.Contains(t, shown.text, "Our copy of this event can no longer be read")
	require.Contains(t, shown.text, "ask us for the event")

	about := s.do("/events/evt_1", nil).is(http.StatusOK)
	require.Contains(t, about.text, "Our copy of this event can no longer be read.")
	require.Contains(t, about.text, "evt_1")

	form := s.do(two+"/delete", nil).is(http.StatusOK)
	require.Contains(t, form.text, "It is damaged on our side and cannot be shown")
	s.do(two+"/delete", url.Values{"damaged": {"1"}}).is(http.StatusSeeOther)
	require.NotContains(t, s.do("/", nil).is(http.StatusOK).text, "damaged")
}

// TestLostSecret shows what helps where no key opens what is sealed.
func TestLostSecret(t *testing.T) {
	t.Parallel()
	st := memstore.New(nil)
	before, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{{ID: "gone", Key: [32]byte{9}}}})
	require.NoError(t, err)
	w, err := before.Register(t.Context(), merchant, webhook.Registration{
		URL: endpoint, Events: []string{"document.created"}, Headers: map[string]string{"X-Tenant": "a"},
	})
	require.NoError(t, err)
	s := newSiteOn(t, st, func(of webhook.ServiceStore) webhook.ServiceStore { return of }, nil)
	list := s.do("/", nil).is(http.StatusOK)
	require.Contains(t, list.body, w.Webhook.ID)
	var path string
	for _, v := range s.all() {
		require.True(t, v.SecretLost)
		path = "/webhooks/" + v.ID
	}
	text := s.do(path, nil).is(http.StatusOK).text
	require.Contains(t, text, "We cannot open this webhook's secret any more")
	require.Contains(t, text, "We cannot open this webhook's headers any more")
}
