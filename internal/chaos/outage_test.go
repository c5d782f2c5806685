//go:build chaos

package chaos_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
)

// TestResolverAwayForAnHour takes the resolver away from three dispatchers under load: for
// half of the hosts it says that it has failed, and for the others it says nothing. It
// counts for nobody, and all that was published meanwhile arrives afterwards, once.
//
//nolint:paralleltest // each has the machine to itself
func TestResolverAwayForAnHour(t *testing.T) {
	const merchants, pause = 300, 200 * time.Millisecond // from one event to the next
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		var told, over atomic.Int32
		b := newBubble(t, 3, webhook.DispatcherOptions{Concurrency: 64, Observer: webhook.Observer{
			Trouble: func(_ context.Context, i webhook.TroubleInfo) {
				if told.Add(1); i.Err == nil {
					over.Add(1)
				}
			},
		}}, webhook.Limits{}, func(req *http.Request) (*http.Response, error) {
			if !away.Load() {
				return say(http.StatusOK, strings.NewReader("")), after(req, 30*time.Millisecond)
			}
			if len(host(req))%2 == 0 {
				return nil, &net.DNSError{Err: "server misbehaving", Name: req.URL.Host, IsTemporary: true}
			}
			if err := after(req, 5*time.Second); err != nil {
				return nil, err
			}
			return nil, &net.DNSError{Err: "i/o timeout", Name: req.URL.Host, IsTimeout: true, IsTemporary: true}
		})
		ids := make([]string, merchants)
		for m := range ids {
			ids[m] = b.register(fmt.Sprint("m", m))
		}
		n := 0
		load := func(d time.Duration) {
			for began := time.Now(); time.Since(began) < d; harness.Pass(pause) {
				b.publish(fmt.Sprint("m", n*7919%merchants))
				n++
			}
		}
		load(2 * time.Minute)
		away.Store(true)
		load(time.Hour)
		require.Positive(t, told.Load(), "the operator is told")
		away.Store(false)
		back := time.Now()
		load(2 * time.Minute)
		harness.Pass(time.Minute)
		require.Equal(t, told.Load(), 2*over.Load(), "all troubles are over")
		took := b.kept()
		require.Len(t, took, n)
		for m, id := range ids {
			merchant := fmt.Sprint("m", m)
			w, err := b.svc.Webhook(t.Context(), merchant, id)
			require.NoError(t, err)
			require.Equal(t, webhook.Active, w.Status)
			require.Zero(t, w.ConsecutiveFailures)
			s, err := b.svc.Stats(t.Context(), merchant, id)
			require.NoError(t, err)
			require.Equal(t, s.Total, s.Succeeded)
			require.Equal(t, s.Total, s.Attempts, "what the outage took was no attempt")
		}
		t.Logf("%d events, of which the first waited for %s; all is well since %s", n, took[len(took)-1], time.Since(back))
	})
}
