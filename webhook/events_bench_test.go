package webhook_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// BenchmarkEventLog asks what became of an event, and for the first page, in a log that is
// short and in one that is a hundred times as long.
func BenchmarkEventLog(b *testing.B) {
	for name, open := range harness.Stores() {
		for _, events := range []int{1_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", name, events), func(b *testing.B) {
				if testing.Short() && events > 1_000 {
					b.Skip("-short")
				}
				svc, err := webhook.NewService(open(b).Store, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{harness.KeyOne()}})
				require.NoError(b, err)
				for range 3 {
					_, err = svc.Register(b.Context(), harness.Merchant, webhook.Registration{URL: "https://example.com/", Events: []string{"document.created"}})
					require.NoError(b, err)
				}
				batch := make([]event.Event, 100)
				for n := range events {
					batch[n%100] = event.New(event.DocumentDeleted{DocumentID: "doc_1"})
					if n%100 == 99 {
						_, err := svc.PublishBatch(b.Context(), harness.Merchant, batch)
						require.NoError(b, err)
					}
				}
				p, err := svc.Publish(b.Context(), harness.Merchant, event.New(kilobyte))
				require.NoError(b, err)
				b.Run("why", func(b *testing.B) {
					for b.Loop() {
						got, err := svc.Why(b.Context(), harness.Merchant, p.EventID)
						require.NoError(b, err)
						require.Len(b, got.Verdicts, 3)
					}
				})
				b.Run("page", func(b *testing.B) {
					for b.Loop() {
						got, err := svc.Events(b.Context(), harness.Merchant, webhook.EventQuery{Limit: 100})
						require.NoError(b, err)
						require.Len(b, got.Events, 100)
					}
				})
			})
		}
	}
}
