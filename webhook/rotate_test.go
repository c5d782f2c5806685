package webhook_test

import (
	"context"
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

// TestPublishAgainWithTheAnsweredID is a caller that keeps the ID it was given,
// and leaves the time, which the data holds too, to the service again.
func TestPublishAgainWithTheAnsweredID(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]event.Event{
		"without a time": event.New(event.DocumentDeleted{DocumentID: "d"}),
		"with a time":    event.New(event.ChatQueryFailed{SessionID: "s", Query: "q"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				svc, _ := harness.NewService(t, nil)
				harness.Register(t, svc, harness.Merchant, "*")
				first, err := svc.Publish(t.Context(), harness.Merchant, e)
				require.NoError(t, err)
				require.False(t, first.Duplicate)
				harness.Pass(time.Minute)
				e.ID = first.EventID
				again, err := svc.Publish(t.Context(), harness.Merchant, e)
				require.NoError(t, err)
				first.Duplicate = true
				require.Equal(t, first, again)
			})
		})
	}
}

func TestASecondRotationWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, _ := harness.NewService(t, nil)
		id := harness.Register(t, svc, harness.Merchant, "*").Webhook.ID
		rotate := func(grace time.Duration) error {
			_, err := svc.Rotate(t.Context(), harness.Merchant, id, grace)
			return err
		}
		require.NoError(t, rotate(time.Hour))
		before, err := svc.Webhook(t.Context(), harness.Merchant, id)
		require.NoError(t, err)
		require.ErrorIs(t, rotate(time.Hour), webhook.ErrRotating)
		after, err := svc.Webhook(t.Context(), harness.Merchant, id)
		require.NoError(t, err)
		require.Equal(t, before, after, "nothing has changed")
		harness.Pass(time.Hour)
		require.NoError(t, rotate(time.Hour), "the grace is over")
		require.NoError(t, rotate(0), "without a grace, at any time")
		require.NoError(t, rotate(time.Hour), "and that leaves none")
	})
}

// blocked is a store that does not answer a look at a delivery.
type blocked struct{ *memstore.Store }

func (b blocked) Delivery(ctx context.Context, _, _, _ string) (store.Delivery, error) {
	<-ctx.Done()
	return store.Delivery{}, ctx.Err()
}

func TestAwaitIsBoundedWhenTheStoreHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, err := webhook.NewService(blocked{memstore.New(nil)}, nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err = svc.Await(ctx, harness.Merchant, "whk_1", "whdel_1")
		require.Error(t, err)
		require.LessOrEqual(t, time.Since(began), 6*time.Second)
	})
}
