package webhook_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// slowClaims is a store whose claims take a time, and which counts what is claimed
// and has no result.
func slowClaims(takes time.Duration) (st *hooked, out *atomic.Int64) {
	st, out = newHooked(), &atomic.Int64{}
	st.claim = func(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
		<-time.After(takes)
		got, err := st.Store.Claim(ctx, c)
		out.Add(int64(len(got.Leases)))
		return got, err
	}
	st.finish = func(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
		out.Add(-int64(len(rs)))
		return st.Store.Finish(ctx, rs)
	}
	return st, out
}

// TestClaimsRunAhead has a store that is as slow as the endpoint. Claims are for what
// will have left the wire by the time of their answer, so that the wire is never idle.
func TestClaimsRunAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const wide, total = 4, 1000
		st, _ := slowClaims(50 * time.Millisecond)
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{Concurrency: wide, PerWebhook: total})
		r.Register(event.TypeDocumentCreated)
		var wire, most atomic.Int64
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) {
			most.Store(max(most.Load(), wire.Add(1)))
			defer wire.Add(-1)
			<-time.After(50 * time.Millisecond)
			return harness.Reply(http.StatusOK, ""), nil
		})
		for range total {
			r.Publish()
		}
		harness.Pass(time.Second)
		before := r.Endpoint.Count()
		harness.Pass(time.Second)
		require.Equal(t, int64(wide), most.Load(), "on the wire at once")
		require.GreaterOrEqual(t, r.Endpoint.Count()-before, wide*16, "posts in a second, of which the wire takes %d", wide*20)
		r.Close()
	})
}

// TestClaimsDoNotRunFarAhead has endpoints that stop answering while much is due.
func TestClaimsDoNotRunFarAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const wide, total = 4, 1000
		st, out := slowClaims(100 * time.Millisecond)
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{Concurrency: wide, PerWebhook: total})
		r.Register(event.TypeDocumentCreated)
		for range total {
			r.Publish()
		}
		harness.Pass(time.Second)
		require.Positive(t, r.Endpoint.Count())
		r.Endpoint.Set(harness.Hang)
		harness.Pass(5 * time.Second)
		require.LessOrEqual(t, out.Load(), int64(3*wide), "what is claimed, on the wire or not")
		harness.Pass(2 * time.Minute)
		require.LessOrEqual(t, out.Load(), int64(2*wide), "little runs ahead of a wire that hardly moves")
		r.Close()
	})
}

// TestClaimsRunAheadNoLonger has a claim that comes back part full. From then on no
// more is claimed than the wire takes, so that other processes have a share of what
// comes next.
func TestClaimsRunAheadNoLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const wide, total = 4, 200
		st, _ := slowClaims(50 * time.Millisecond)
		var limit, most atomic.Int64
		claim := st.claim
		st.claim = func(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
			limit.Store(int64(c.Limit))
			most.Store(max(most.Load(), limit.Load()))
			return claim(ctx, c)
		}
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{Concurrency: wide, PerWebhook: total})
		r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) {
			<-time.After(50 * time.Millisecond)
			return harness.Reply(http.StatusOK, ""), nil
		})
		for range total {
			r.Publish()
		}
		harness.Pass(time.Minute)
		require.Equal(t, total, r.Endpoint.Count())
		require.Greater(t, most.Load(), int64(wide), "it has run ahead")
		require.Equal(t, int64(wide), limit.Load())
		r.Close()
	})
}
