package inbox_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/inbox"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// TestEachOnce sends each of many events three times to two processes, whose handlers fail at
// first: each is handled to its end once.
func TestEachOnce(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, st store.Store) {
		t.Helper()
		const events = 50
		var mu sync.Mutex
		tried, done := map[string]int{}, map[string]int{}
		all := make(chan struct{})
		var desks []*desk
		for range 2 {
			d := newDesk(t, st, &inbox.Options{PerSource: 4})
			d.handle = func(_ context.Context, e event.Event) error {
				mu.Lock()
				defer mu.Unlock()
				if tried[e.ID]++; tried[e.ID] == 1 {
					return receiver.RetryAfter(time.Millisecond, nil)
				}
				if done[e.ID]++; len(done) == events {
					close(all)
				}
				return nil
			}
			desks = append(desks, d)
			defer d.run(t)()
		}
		for i := range 3 * events {
			w := desks[i%2].post(t, fmt.Sprintf("evt_%d", i%events), body)
			require.Equal(t, http.StatusOK, w.Code)
		}
		select {
		case <-all:
		case <-time.After(time.Minute):
			require.Fail(t, "events were not handled")
		}
		mu.Lock()
		defer mu.Unlock()
		for id, n := range done {
			require.Equal(t, 1, n, id)
		}
	})
}
