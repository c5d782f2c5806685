package webhook_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const operator = "the-operator"

// operated is a service with a webhook of the operator's.
func operated(t *testing.T) (*webhook.Service, webhook.Registered, webhook.NoticeFunc) {
	t.Helper()
	catalog, err := event.DefaultCatalog().With(event.NoticeEntries()...)
	require.NoError(t, err)
	svc, err := webhook.NewService(memstore.New(nil), &webhook.ServiceOptions{Catalog: catalog})
	require.NoError(t, err)
	reg, err := svc.Register(t.Context(), operator, webhook.Registration{
		URL: "https://operator.example.com/", Events: []string{"webhook.disabled", "webhook.warning", "webhook.recovered", "webhook.moved", "webhook.crowded", "webhook.enabled"},
	})
	require.NoError(t, err)
	publish, err := webhook.PublishNotices(svc, operator)
	require.NoError(t, err)
	return svc, reg, publish
}

func aNotice(kind webhook.NoticeKind) webhook.Notice {
	at := time.Date(2026, 2, 27, 12, 0, 0, 5e8, time.FixedZone("", 3600))
	return webhook.Notice{
		ID: "ntc_" + string(kind), Kind: kind, MerchantID: harness.Merchant, WebhookID: "whk_1",
		URL: "https://example.com/hook?token=s3cret", Reason: "why", Failures: 5, DisableAfter: 10, Since: at.Add(-time.Hour), At: at,
	}
}

func TestNoticesAsEvents(t *testing.T) {
	t.Parallel()
	for _, kind := range []webhook.NoticeKind{
		webhook.NoticeDisabled, webhook.NoticeWarning, webhook.NoticeRecovered, webhook.NoticeMoved, webhook.NoticeCrowded, webhook.NoticeEnabled,
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			svc, reg, publish := operated(t)
			for range 3 {
				require.NoError(t, publish(t.Context(), aNotice(kind)))
			}
			page, err := svc.Deliveries(t.Context(), operator, reg.Webhook.ID, webhook.DeliveryQuery{Limit: 10})
			require.NoError(t, err)
			require.Len(t, page.Deliveries, 1, "a repeat makes no second event")
			d, err := svc.Delivery(t.Context(), operator, reg.Webhook.ID, page.Deliveries[0].ID)
			require.NoError(t, err)
			e, err := event.Parse(d.Payload)
			require.NoError(t, err)
			require.Equal(t, "webhook."+string(kind), string(e.Type))
			require.Equal(t, time.Date(2026, 2, 27, 11, 0, 0, 0, time.UTC), e.Created.UTC())
			data, err := event.Data[event.WebhookNotice](e)
			require.NoError(t, err)
			require.Equal(t, event.WebhookNotice{
				MerchantID: harness.Merchant, WebhookID: "whk_1", URL: "https://example.com/hook", Reason: "why",
				ConsecutiveFailures: 5, DisableAfter: 10, Since: e.Created.Add(-time.Hour).UTC(), Timestamp: e.Created.UTC(),
			}, data)
			require.NotContains(t, string(d.Payload), "s3cret")
		})
	}
}

func TestNoticesOfOneTransitionEach(t *testing.T) {
	t.Parallel()
	svc, reg, publish := operated(t)
	one, two, three := aNotice(webhook.NoticeDisabled), aNotice(webhook.NoticeDisabled), aNotice(webhook.NoticeDisabled)
	two.ID = "ntc_another"
	three.MerchantID = "merchant_43"
	changed := one
	changed.URL = "https://example.com/written-otherwise"
	for _, n := range []webhook.Notice{one, two, three, changed} {
		require.NoError(t, publish(t.Context(), n))
	}
	stats, err := svc.Stats(t.Context(), operator, reg.Webhook.ID)
	require.NoError(t, err)
	require.EqualValues(t, 3, stats.Total)
}

// TestTheOperatorIsNotToldOfItself would go round in circles otherwise.
func TestTheOperatorIsNotToldOfItself(t *testing.T) {
	t.Parallel()
	svc, reg, publish := operated(t)
	n := aNotice(webhook.NoticeWarning)
	n.MerchantID, n.WebhookID = operator, reg.Webhook.ID
	require.NoError(t, publish(t.Context(), n))
	stats, err := svc.Stats(t.Context(), operator, reg.Webhook.ID)
	require.NoError(t, err)
	require.Zero(t, stats.Total)
}

func TestPublishNoticesNeedsItsTypes(t *testing.T) {
	t.Parallel()
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	_, err = webhook.PublishNotices(svc, "no such/operator")
	require.ErrorContains(t, err, "merchantId")
	for _, name := range []string{"webhook.disabled", "webhook.warning", "webhook.recovered", "webhook.moved", "webhook.crowded", "webhook.enabled"} {
		require.ErrorContains(t, err, "the catalog has no "+name)
	}
}

func TestNoticeFuncs(t *testing.T) {
	t.Parallel()
	var calls []string
	var fail string
	f := func(name string) webhook.NoticeFunc {
		return func(context.Context, webhook.Notice) error {
			calls = append(calls, name)
			if name == fail {
				return errors.New(name)
			}
			return nil
		}
	}
	all := webhook.NoticeFuncs(f("a"), f("b"), f("c"))
	require.NoError(t, all(t.Context(), webhook.Notice{}))
	fail = "b"
	require.EqualError(t, all(t.Context(), webhook.Notice{}), "b")
	require.Equal(t, []string{"a", "b", "c", "a", "b"}, calls)
	require.NoError(t, webhook.NoticeFuncs()(t.Context(), webhook.Notice{}))
}
