package operator_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

// receivers are the endpoints of many merchants, some of which are down for a while.
type receivers struct {
	mu   sync.Mutex
	down bool
	got  map[string]int // by merchant and event: how often it was taken
}

func (r *receivers) answer(c harness.Call) (harness.Answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down && strings.HasPrefix(c.URL, "https://bad") {
		return harness.Reply(http.StatusInternalServerError, "down"), nil
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(c.URL, "https://"), ".")
	r.got[host+" "+c.Header.Get("Webhook-Id")]++
	return harness.Reply(http.StatusOK, "OK"), nil
}

// An outage of 300 of 1,000 merchants is over after five calls, and everybody has
// everything once.
func TestAnOutageIsOverAfterFiveCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const merchants, bad, before, meanwhile = 1000, 300, 4, 3
		d := newDesk(t, memstore.New(nil))
		world := &receivers{got: map[string]int{}, down: true}
		rig := harness.NewRig(t, d.st, &webhook.DispatcherOptions{
			Jobs: d.Jobs(), Retry: retry.Policy{MaxAttempts: 1}, DisableAfter: before, SecretKeys: []webhook.SecretKey{harness.KeyOne()},
		})
		defer rig.Close()
		rig.Endpoint.Set(world.answer)
		name := func(i int) string {
			if i < bad {
				return fmt.Sprintf("bad%d", i)
			}
			return fmt.Sprintf("good%d", i)
		}
		for i := range merchants {
			d.register(name(i), 1)
		}
		since := time.Now()
		want := map[string]int{}
		for range before + meanwhile {
			for i := range merchants {
				want[name(i)+" "+d.publish(name(i))] = 1
			}
			harness.Pass(time.Minute)
		}
		world.mu.Lock()
		world.down = false
		world.mu.Unlock()

		ann := webhook.WithActor(t.Context(), "ann")
		byFailures := operator.Selection{Reason: webhook.ReasonFailures}
		all := operator.Selection{All: true}
		job := func(r operator.Request) operator.Job {
			t.Helper()
			begun, err := d.Begin(ann, r)
			require.NoError(t, err)
			harness.Pass(5 * time.Minute)
			j, err := d.Job(t.Context(), begun.ID)
			require.NoError(t, err)
			require.Equal(t, operator.JobDone, j.Status)
			require.Zero(t, j.Failed)
			return j
		}
		// 1
		page, err := d.Webhooks(t.Context(), operator.Filter{Status: webhook.Disabled}, operator.Page{Limit: 1000})
		require.NoError(t, err)
		require.Len(t, page.Webhooks, bad)
		require.Empty(t, page.Next)
		// 2
		dry := job(operator.Request{Kind: operator.KindEnable, Selection: byFailures, DryRun: true})
		require.Equal(t, operator.Counts{Merchants: bad, Webhooks: bad, Changed: bad}, dry.Counts)
		require.Equal(t, webhook.Disabled, d.webhook(page.Webhooks[0]).Status)
		// 3
		enabled := job(operator.Request{Kind: operator.KindEnable, Selection: byFailures})
		require.Equal(t, dry.Counts, enabled.Counts)
		// 4
		dry = job(operator.Request{Kind: operator.KindReplay, Selection: all, Since: since, DryRun: true})
		require.Equal(t, operator.Counts{
			Merchants: merchants, Webhooks: merchants, Changed: bad, Skipped: merchants - bad, Deliveries: bad * (before + meanwhile),
		}, dry.Counts)
		require.Len(t, world.got, (merchants-bad)*(before+meanwhile), "a dry run sends nothing")
		// 5
		replayed := job(operator.Request{Kind: operator.KindReplay, Selection: all, Since: since})
		require.Equal(t, dry.Counts, replayed.Counts)

		require.Equal(t, want, world.got)
		for _, w := range page.Webhooks {
			require.Equal(t, webhook.Active, d.webhook(w).Status)
			changes, err := d.svc.Changes(t.Context(), w.MerchantID, w.ID)
			require.NoError(t, err)
			require.Equal(t, "ann", changes[0].Actor)
		}
		jobs, err := d.List(t.Context(), operator.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, jobs.Jobs, 4)
		require.Equal(t, replayed, jobs.Jobs[0])
		require.Equal(t, "ann", jobs.Jobs[3].By)
	})
}
