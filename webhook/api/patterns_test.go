package api_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestRegisterForPatterns(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, st store.Store) {
		t.Helper()
		s := newSite(t, st, nil)
		var reg struct {
			WebhookID string
			Events    []string
		}
		s.do(http.MethodPost, hooks, `{"url":"https://example.com/hook","events":["document.created","document.*"]}`).is(http.StatusCreated).data(&reg)
		require.Equal(t, []string{"document.created", "document.*"}, reg.Events)
		require.Len(t, s.published(harness.Merchant).Deliveries, 1, "both fit")
		s.publish(harness.Merchant, "evt_deleted", event.DocumentDeleted{})
		s.publish(harness.Merchant, "evt_query", event.ChatQueryCompleted{})
		require.EqualValues(t, 2, s.total(hooks+"/"+reg.WebhookID), "neither twice nor of another prefix")

		s.do(http.MethodPut, hooks+"/"+reg.WebhookID, `{"events":["api_key.*"]}`).is(http.StatusOK)
		require.Empty(t, s.published(harness.Merchant).Deliveries)
		refused := s.do(http.MethodPost, hooks, `{"url":"https://example.com/hook","events":["invoice.*"]}`).is(http.StatusBadRequest)
		require.Equal(t, []string{"events[0]"}, refused.faults())
		require.Contains(t, refused.refusal().Details[0].Message, "see GET …/webhooks/event-types")
	})
}
