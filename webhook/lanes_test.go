//go:build !race

package webhook_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

// patience measures how long events wait for their first request.
type patience struct {
	*harness.Rig

	mu               sync.Mutex
	published, first map[string]time.Time // by event: when it was published, and first sent
}

// newPatience starts dispatchers. Endpoints whose URL has a name of slow answer 200 after
// that time, or never if it is longer than a time-out; others after a moment.
func newPatience(t *testing.T, dispatchers, places, per int, slow map[string]time.Duration) *patience {
	t.Helper()
	o := webhook.DispatcherOptions{Concurrency: places, PerWebhook: per}
	p := &patience{Rig: harness.NewRig(t, nil, &o), published: map[string]time.Time{}, first: map[string]time.Time{}}
	t.Cleanup(p.Close)
	for range dispatchers - 1 {
		t.Cleanup(p.Another(o))
	}
	p.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
		p.mu.Lock()
		id := c.Header.Get("Webhook-Id")
		if _, known := p.first[id]; !known {
			p.first[id] = c.At
		}
		p.mu.Unlock()
		takes := 5 * time.Millisecond
		for name, d := range slow {
			if strings.Contains(c.URL, name) {
				takes = d
			}
		}
		select {
		case <-c.Ctx.Done():
			return harness.Answer{}, c.Ctx.Err()
		case <-time.After(takes):
			return harness.Reply(http.StatusOK, ""), nil
		}
	})
	return p
}

// register makes webhooks of a merchant, all on one host, below base.
func (p *patience) register(merchantID, base string, n int) {
	p.T.Helper()
	for i := range n {
		_, err := p.Svc.Register(p.T.Context(), merchantID, webhook.Registration{URL: fmt.Sprintf("https://%s/%d", base, i), Events: []string{"*"}})
		require.NoError(p.T, err)
	}
}

func (p *patience) publish(merchantID string) string {
	p.T.Helper()
	at := time.Now()
	id := p.PublishFor(merchantID).EventID
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published[id] = at
	return id
}

// percentile is how long so many of 100 of some events have waited at most.
func (p *patience) percentile(of int, ids []string) time.Duration {
	p.T.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	waits := make([]time.Duration, len(ids))
	for i, id := range ids {
		first, seen := p.first[id]
		require.True(p.T, seen, "an event is still waiting")
		waits[i] = first.Sub(p.published[id])
	}
	slices.Sort(waits)
	return waits[(len(waits)-1)*of/100]
}

// TestDeadEndpointsDelayNoOther has 2,000 merchants, a twentieth of whom are dead, 100 events
// a second and 2 × 26 places: a fifth of what 10,000 of them have. Dead ones alone, with
// their retries, would hold some 150.
func TestDeadEndpointsDelayNoOther(t *testing.T) {
	t.Parallel()
	for name, base := range map[string]string{"a host each": "%[1]s-%[2]d.example.com", "one host": "one.example.com/%s-%d"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPatience(t, 2, 26, 10, map[string]time.Duration{"dead": time.Hour})
				const merchants, dead = 2000, 100
				for m := range merchants {
					is := "alive"
					if m < dead {
						is = "dead"
					}
					p.register(fmt.Sprint(m), fmt.Sprintf(base, is, m), 1)
				}
				var healthy []string
				began := time.Now()
				for n := 0; time.Since(began) < 2*time.Minute; n++ {
					m := n * 7919 % merchants
					id := p.publish(fmt.Sprint(m))
					if m >= dead && time.Since(began) > time.Minute {
						healthy = append(healthy, id)
					}
					harness.Pass(10 * time.Millisecond)
				}
				harness.Pass(2 * time.Minute)
				t.Logf("healthy events wait %s, %s, %s", p.percentile(50, healthy), p.percentile(99, healthy), p.percentile(100, healthy))
				require.LessOrEqual(t, p.percentile(99, healthy), 100*time.Millisecond)
			})
		})
	}
}

// TestJustInTimeDelaysNoOther has three merchants all of whose endpoints answer shortly
// before the time-out.
func TestJustInTimeDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPatience(t, 1, 1024, 10, map[string]time.Duration{"late": 9900 * time.Millisecond})
		p.register("other", "alive-1.example.com", 1)
		p.publish("other")
		harness.Pass(time.Second)
		for m := range 3 {
			p.register(fmt.Sprint(m), fmt.Sprintf("late-%d.example.com", m), 50)
		}
		var others []string
		for range 30 {
			for m := range 3 {
				for range 3 {
					p.publish(fmt.Sprint(m))
				}
			}
			synctest.Wait()
			others = append(others, p.publish("other"))
			harness.Pass(time.Second)
		}
		require.LessOrEqual(t, p.percentile(100, others), 100*time.Millisecond)
	})
}

// TestDeadEndpointsAreTried has 500 dead webhooks, with a delivery each, and 2 × 16 places
// of which half are theirs. Each is tried by the schedule, and what it waits for a place
// counts for nothing.
func TestDeadEndpointsAreTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPatience(t, 2, 16, 10, map[string]time.Duration{"dead": time.Hour})
		const dead = 500
		var ids []string
		for m := range dead {
			p.register(fmt.Sprint(m), fmt.Sprintf("dead-%d.example.com", m), 1)
			ids = append(ids, p.publish(fmt.Sprint(m)))
		}
		harness.Pass(40 * time.Minute)
		t.Logf("first requests after %s, %s, %s", p.percentile(50, ids), p.percentile(99, ids), p.percentile(100, ids))
		require.LessOrEqual(t, p.percentile(100, ids), 10*time.Minute)
		for m := range dead {
			of, err := p.Svc.Webhooks(t.Context(), fmt.Sprint(m), webhook.WebhookQuery{Limit: 1})
			require.NoError(t, err)
			list, err := p.Store.Deliveries(t.Context(), fmt.Sprint(m), of.Webhooks[0].ID, store.DeliveryQuery{Limit: 1})
			require.NoError(t, err)
			d := list.Deliveries[0]
			require.Equal(t, store.DeliveryFailed, d.Status, "after %d attempts", d.Attempts)
			require.Equal(t, 3, d.Attempts)
			require.Zero(t, d.Reclaims)
			require.Equal(t, 1, of.Webhooks[0].ConsecutiveFailures)
		}
	})
}

// TestTestsKeepOutOfTheWay has more tests of dead webhooks under way than there are places.
func TestTestsKeepOutOfTheWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPatience(t, 1, 16, 10, map[string]time.Duration{"dead": time.Hour})
		p.register("one", "alive.example.com", 1)
		p.publish("one")
		harness.Pass(time.Second)
		for m := range 40 {
			merchant := fmt.Sprint("dead-", m)
			p.register(merchant, merchant+".example.com", 1)
			page, err := p.Svc.Webhooks(t.Context(), merchant, webhook.WebhookQuery{Limit: 1})
			require.NoError(t, err)
			_, err = p.Svc.Test(t.Context(), merchant, page.Webhooks[0].ID)
			require.NoError(t, err)
		}
		harness.Pass(time.Second)
		var ids []string
		for range 10 {
			ids = append(ids, p.publish("one"))
			harness.Pass(time.Second)
		}
		require.LessOrEqual(t, p.percentile(100, ids), 100*time.Millisecond)
		harness.Pass(2 * time.Minute)
		require.Len(t, p.Endpoint.Seen(), 40+11, "each test goes out in the end")
	})
}

// TestAMerchantsShare has a merchant with ten webhooks that take a little under a second,
// which is not slow, and much to deliver. Alone it has all places, and half beside another.
func TestAMerchantsShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const places = 20
		p := newPatience(t, 1, places, 2, map[string]time.Duration{"lazy": 900 * time.Millisecond})
		p.register("many", "lazy-0.example.com", 10)
		p.register("one", "alive-1.example.com", 1)
		for range 200 {
			p.publish("many")
		}
		most := func(of time.Duration, meanwhile func()) (most int) {
			for began := time.Now(); time.Since(began) < of; harness.Pass(50 * time.Millisecond) {
				meanwhile()
				most = max(most, count(p.Endpoint.Seen(), func(c harness.Call) bool {
					return strings.HasPrefix(c.URL, "https://lazy") && time.Since(c.At) < 900*time.Millisecond
				}))
			}
			return most
		}
		require.Equal(t, places, most(5*time.Second, func() {}), "alone")
		most(2*time.Second, func() { p.publish("one") })
		var ids []string
		require.Equal(t, places/2, most(5*time.Second, func() { ids = append(ids, p.publish("one")) }), "beside another")
		require.LessOrEqual(t, p.percentile(100, ids), 100*time.Millisecond)
	})
}

func count[T any](list []T, is func(T) bool) (n int) {
	for _, v := range list {
		if is(v) {
			n++
		}
	}
	return n
}
