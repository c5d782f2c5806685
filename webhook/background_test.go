package webhook_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestRetentionReachesTheStore(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name string
		keep webhook.Retention
		want store.PruneRequest
	}{
		{"defaults", webhook.Retention{}, store.PruneRequest{
			DeliveryAge: 7 * day, DeliveriesPerWebhook: 10_000, PausedAge: 7 * day, EventAge: 7 * day, NoticeAge: 7 * day, JobAge: 7 * day,
		}},
		{"chosen", webhook.Retention{
			Deliveries: day, PerWebhook: 2, Paused: 3 * day, Events: 4 * day, Notices: 5 * day, Jobs: 6 * day,
		}, store.PruneRequest{
			DeliveryAge: day, DeliveriesPerWebhook: 2, PausedAge: 3 * day, EventAge: 4 * day, NoticeAge: 5 * day, JobAge: 6 * day,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := newHooked()
				var mu sync.Mutex
				var asked []store.PruneRequest
				more := 0
				st.prune = func(_ context.Context, p store.PruneRequest) (store.Pruned, error) {
					mu.Lock()
					defer mu.Unlock()
					asked = append(asked, p)
					more--
					return store.Pruned{More: more >= 0}, nil
				}
				r := harness.NewRig(t, st, &webhook.DispatcherOptions{Retention: tt.keep})
				harness.Pass(10*time.Minute + time.Second)
				require.Len(t, asked, 10, "once a minute")
				require.Equal(t, "webhook_disabled", asked[0].PausedCode)
				require.Positive(t, asked[0].Limit)
				tt.want.PausedCode, tt.want.Limit = asked[0].PausedCode, asked[0].Limit
				for _, p := range asked {
					require.Equal(t, tt.want, p)
				}
				mu.Lock()
				more = 5
				mu.Unlock()
				harness.Pass(time.Minute)
				require.Len(t, asked, 16, "and again at once while more is left")
				r.Close()
			})
		})
	}
}

func TestDamageIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs strings.Builder
		st := newHooked()
		told := store.Pruned{Damaged: []store.Damage{{What: "delivery whdel_1", How: "cannot be read", MerchantID: "merchant_42", WebhookID: "whk_1", DeliveryID: "whdel_1"}}}
		st.prune = func(context.Context, store.PruneRequest) (store.Pruned, error) {
			defer func() { told = store.Pruned{} }()
			return told, nil
		}
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{Logger: textLogger(&logs)})
		harness.Pass(10 * time.Minute)
		require.Equal(t, `level=ERROR msg="webhook record damaged; it was set aside" merchant_id=merchant_42 webhook_id=whk_1 delivery_id=whdel_1 `+
			`record="delivery whdel_1" error="cannot be read" found_at=0001-01-01T00:00:00.000Z`+"\n", logs.String())
		r.Close()
	})
}

// TestIdlePolls counts how often a store with nothing to give is asked.
func TestIdlePolls(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		next        time.Duration
		least, most int64 // in ten seconds
	}{
		{"nothing waits", -1, 5, 7},
		{"something far away", time.Hour, 5, 7},
		{"something near", 500 * time.Millisecond, 19, 22},
		{"due, but not given away", 0, 1, 10_010},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := newHooked()
				var calls atomic.Int64
				st.claim = func(context.Context, store.ClaimRequest) (store.Claimed, error) {
					if calls.Add(1) > 100_000 {
						<-t.Context().Done() // The fake clock stands still while somebody spins.
					}
					return store.Claimed{Next: tt.next}, nil
				}
				r := harness.NewRig(t, st, nil)
				harness.Pass(10 * time.Second)
				require.LessOrEqual(t, calls.Load(), tt.most, "it does not spin")
				require.GreaterOrEqual(t, calls.Load(), tt.least, "a missed wake-up costs two seconds at most")
				r.Close()
			})
		})
	}
}

func TestIdleConnectionsAreClosedAfterRun(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	ended := make(chan struct{}, 100)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ConnState = func(c net.Conn, s http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		switch s {
		case http.StateNew:
			open[c] = true
		case http.StateClosed:
			delete(open, c)
			ended <- struct{}{}
		default:
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)

	rules := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	st := memstore.New(nil)
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Egress: rules})
	require.NoError(t, err)
	reg, err := svc.Register(t.Context(), harness.Merchant, webhook.Registration{URL: srv.URL, Events: []string{"*"}})
	require.NoError(t, err)
	d, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Egress: rules})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(ctx) }()
	for range 5 {
		p, err := svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentDeleted{DocumentID: "d"}))
		require.NoError(t, err)
		got, err := svc.Await(t.Context(), harness.Merchant, reg.Webhook.ID, p.Deliveries[0].ID)
		require.NoError(t, err)
		require.Equal(t, webhook.DeliverySucceeded, got.Status)
	}
	mu.Lock()
	require.NotEmpty(t, open, "a connection is kept while Run runs")
	mu.Unlock()
	stop()
	require.NoError(t, <-stopped)
	for limit := time.After(20 * time.Second); ; { // Unclosed, it would be kept for a minute.
		mu.Lock()
		left := len(open)
		mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-ended:
		case <-limit:
			require.Zero(t, left, "connections that Run has left open")
		}
	}
}
