package webhook_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// sparse has a log of which a filter lets one delivery through on every tenth page.
type sparse struct{ *memstore.Store }

func (sparse) Deliveries(_ context.Context, _, _ string, q store.DeliveryQuery) (page store.DeliveryPage, err error) {
	n, _ := strconv.Atoi(q.Cursor)
	if n%10 == 0 {
		page.Deliveries = []store.Delivery{{ID: fmt.Sprintf("whdel_%d", n/10)}}
	}
	if n < 200 {
		page.Next = strconv.Itoa(n + 1)
	}
	return page, nil
}

func TestDeliveriesOfASparseLog(t *testing.T) {
	t.Parallel()
	svc, err := webhook.NewService(sparse{memstore.New(nil)}, nil)
	require.NoError(t, err)
	ask := func(q webhook.DeliveryQuery) (ids []string, next string) {
		page, err := svc.Deliveries(t.Context(), harness.Merchant, "whk", q)
		require.NoError(t, err)
		for _, d := range page.Deliveries {
			ids = append(ids, d.ID)
		}
		return ids, page.Next
	}
	ids, next := ask(webhook.DeliveryQuery{Limit: 10})
	require.Less(t, len(ids), 10, "one call looks at so much and no more")
	require.NotEmpty(t, next)
	for next != "" {
		var more []string
		more, next = ask(webhook.DeliveryQuery{Limit: 10, Cursor: next})
		ids = append(ids, more...)
	}
	require.Len(t, ids, 21, "and what follows has the others")

	ids, _ = ask(webhook.DeliveryQuery{Limit: 1, Offset: 15})
	require.Equal(t, []string{"whdel_15"}, ids, "an offset is left out whole, however far that is")
}
