package transfer_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/transfer"
)

// numbered is an event that can be published again.
func numbered(i int) event.Event {
	e := event.New(event.DocumentCreated{DocumentID: fmt.Sprint("doc_", i)})
	e.ID, e.Created = fmt.Sprint("evt_", i), time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	return e
}

// The recipe of docs/migration.md under load: while events are published, the webhooks
// move, publishers turn to the new store, and the old dispatcher sends what is left,
// retries included. Each event arrives once. An id that was published before the move is
// not known to the new store: published again, it arrives again.
func TestMoveWhileServing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := harness.NewRig(t, nil, nil)
		secret := old.Register("document.created").Secret
		var mu sync.Mutex
		arrived := map[string]int{}
		old.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
			harness.Verify(t, secret, c, nil)
			id := c.Header.Get(signer.HeaderStandardID)
			mu.Lock()
			defer mu.Unlock()
			if arrived[id]++; strings.HasSuffix(id, "3") && arrived[id] == 1 {
				arrived[id] = -1 // The next try, a minute later, counts.
				return harness.Reply(http.StatusServiceUnavailable, "busy"), nil
			}
			arrived[id] = max(arrived[id], 1)
			return harness.Reply(http.StatusOK, "OK"), nil
		})
		var publisher atomic.Pointer[webhook.Service]
		publisher.Store(old.Svc)
		const events = 2000
		published := make(chan struct{})
		go func() {
			defer close(published)
			for i := range events {
				_, err := publisher.Load().Publish(t.Context(), harness.Merchant, numbered(i))
				require.NoError(t, err)
				time.Sleep(10 * time.Millisecond)
			}
		}()
		harness.Pass(10 * time.Second)

		keys := []webhook.SecretKey{newKey}
		var file bytes.Buffer
		_, err := transfer.Export(t.Context(), &file, old.Store, &transfer.ExportOptions{SealWith: newKey})
		require.NoError(t, err)
		to := memstore.New(nil)
		_, err = importInto(t.Context(), to, file.Bytes(), options())
		require.NoError(t, err)
		svc, err := webhook.NewService(to, &webhook.ServiceOptions{SecretKeys: keys})
		require.NoError(t, err)
		disp, err := webhook.NewDispatcher(to, &webhook.DispatcherOptions{SecretKeys: keys, Transport: old.Endpoint})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- disp.Run(ctx) }()
		publisher.Store(svc)

		<-published
		harness.Pass(10 * time.Minute)
		require.Len(t, arrived, events)
		for id, n := range arrived {
			require.Equal(t, 1, n, id)
		}
		drained, moved := stats(t, old.Svc), stats(t, svc)
		require.Zero(t, drained.Pending+moved.Pending)
		require.EqualValues(t, events, drained.Succeeded+moved.Succeeded)
		require.Positive(t, moved.Succeeded)
		require.Greater(t, drained.Attempts, drained.Succeeded, "the old one had retries to do")
		old.Close()

		for i, want := range map[int]bool{0: false, events - 1: true} {
			p, err := svc.Publish(t.Context(), harness.Merchant, numbered(i))
			require.NoError(t, err)
			require.Equal(t, want, p.Duplicate)
		}
		synctest.Wait()
		require.Equal(t, 2, arrived["evt_0"])
		stop()
		require.NoError(t, <-stopped)
	})
}

func stats(t *testing.T, svc *webhook.Service) webhook.Stats {
	t.Helper()
	page, err := svc.Webhooks(t.Context(), harness.Merchant, webhook.WebhookQuery{})
	require.NoError(t, err)
	s, err := svc.Stats(t.Context(), harness.Merchant, page.Webhooks[0].ID)
	require.NoError(t, err)
	return s
}
