//go:build chaos

package chaos_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// worst is the merchant who does his worst.
const worst = "worst"

// TestTheWorstMerchant has 40 merchants twice: once among themselves, and once beside one
// who does all the harm that limits leave him. What the others wait for their deliveries
// must not differ by much, and each arrives once.
//
//nolint:paralleltest // each has the machine to itself
func TestTheWorstMerchant(t *testing.T) {
	alone, beside := besideWorst(t, false), besideWorst(t, true)
	for _, p := range []struct{ percent, times float64 }{{50, 1.5}, {99, 2}, {100, 20}} {
		a, b := alone.percentile(p.percent), beside.percentile(p.percent)
		t.Logf("p%.0f: %s alone, %s beside the worst merchant", p.percent, a, b)
		require.Less(t, float64(b), p.times*float64(a), "p%.0f", p.percent)
	}
}

// besideWorst publishes 20 events a second to 40 merchants for two minutes, and
// returns how long each waited for its receipt.
func besideWorst(t *testing.T, there bool) (out waits) {
	t.Helper()
	const merchants, pause, events = 40, 50 * time.Millisecond, 2400
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, webhook.DispatcherOptions{Concurrency: 128}, webhook.Limits{Pending: 100}, func(req *http.Request) (*http.Response, error) {
			if strings.HasPrefix(host(req), worst) {
				return doWorst(req)
			}
			return say(http.StatusOK, strings.NewReader("")), after(req, 30*time.Millisecond)
		})
		for m := range merchants {
			b.register(fmt.Sprint("m", m))
		}
		v := &villain{svc: b.svc, did: map[string]int{}}
		if there {
			v.register(t)
		}
		for n := range events {
			if there && n%10 == 0 {
				v.act(t.Context(), n/10)
			}
			b.publish(fmt.Sprint("m", n*7919%merchants))
			harness.Pass(pause)
		}
		harness.Pass(time.Minute)
		out = b.kept()
		require.Len(t, out, events)
		if there {
			t.Logf("the worst merchant did, without an error: %v", v.did)
			for what := range v.deeds("") {
				require.Positive(t, v.did[what], what)
			}
			require.Positive(t, v.did["fills"], "a webhook has all that may be pending")
		}
	})
	return out
}

// doWorst is how his endpoints answer: each host in another way.
func doWorst(req *http.Request) (*http.Response, error) {
	var n int
	_, _ = fmt.Sscanf(host(req), worst+"-%d", &n)
	switch n % 6 {
	case 0: // just in time
		return say(http.StatusOK, strings.NewReader("")), after(req, 9900*time.Millisecond)
	case 1: // never
		<-req.Context().Done()
		return nil, req.Context().Err()
	case 2:
		return say(http.StatusTooManyRequests, strings.NewReader(""), "Retry-After", "2147483647"), nil
	case 3: // without an end
		return say(http.StatusOK, endless{}), nil
	case 4: // an end that does not come
		return say(http.StatusOK, dripping{req.Context()}), nil
	default: // well, so that more is claimed for him
		return say(http.StatusOK, strings.NewReader("")), after(req, 90*time.Millisecond)
	}
}

// endless is an answer that is too long.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, strings.Repeat("x", len(p))), nil }

// dripping is an answer of a byte a second.
type dripping struct{ ctx context.Context } //nolint:containedctx // that of the request

func (d dripping) Read(p []byte) (int, error) {
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(time.Second):
		return copy(p[:min(1, len(p))], "x"), nil
	}
}

// villain uses the service as its limits allow.
type villain struct {
	svc   *webhook.Service
	hooks []string
	did   map[string]int // what was not refused
}

func (v *villain) url(i int) string { return fmt.Sprintf("https://%s-%d.example.com/", worst, i) }

func (v *villain) register(t *testing.T) {
	t.Helper()
	for i := range v.svc.Limits().Webhooks {
		reg, err := v.svc.Register(t.Context(), worst, webhook.Registration{URL: v.url(i), Events: []string{"*"}})
		require.NoError(t, err)
		v.hooks = append(v.hooks, reg.Webhook.ID)
	}
}

// act does everything once, each time to another webhook.
func (v *villain) act(ctx context.Context, n int) {
	for what, do := range v.deeds(v.hooks[n%len(v.hooks)]) {
		if do(ctx, n) == nil {
			v.did[what]++
		}
	}
}

// deeds is all that he can do to a webhook.
func (v *villain) deeds(hook string) map[string]func(ctx context.Context, n int) error {
	return map[string]func(context.Context, int) error{
		"publishes": func(ctx context.Context, n int) error {
			text := "little"
			if n%20 == 0 {
				text = strings.Repeat("x", webhook.MaxBody-1024)
			}
			p, err := v.svc.Publish(ctx, worst, event.NewRaw("document.created", map[string]string{"title": text}))
			if len(p.Missed) > 0 {
				v.did["fills"]++
			}
			return err
		},
		"enables": func(ctx context.Context, _ int) error {
			on := webhook.Active
			_, err := v.svc.Update(ctx, worst, hook, webhook.Update{Status: &on})
			return err
		},
		"moves": func(ctx context.Context, n int) error {
			url := v.url(n)
			_, err := v.svc.Update(ctx, worst, hook, webhook.Update{URL: &url})
			return err
		},
		"rotates": func(ctx context.Context, _ int) error {
			_, err := v.svc.Rotate(ctx, worst, hook, webhook.DefaultGrace)
			return err
		},
		"replays": func(ctx context.Context, _ int) error {
			_, err := v.svc.Replay(ctx, worst, hook, webhook.Replay{Backfill: true})
			return err
		},
		"lists": func(ctx context.Context, _ int) error {
			_, err := v.svc.Deliveries(ctx, worst, hook, webhook.DeliveryQuery{EventType: "none", Limit: webhook.MaxPage})
			return err
		},
		"redelivers": func(ctx context.Context, _ int) error {
			page, err := v.svc.Deliveries(ctx, worst, hook, webhook.DeliveryQuery{Limit: 10})
			for _, d := range page.Deliveries {
				_, err = v.svc.Redeliver(ctx, worst, hook, d.ID)
			}
			return err
		},
		"tests": func(ctx context.Context, _ int) error {
			_, err := v.svc.Test(ctx, worst, hook)
			return err
		},
		"cancels": func(ctx context.Context, n int) error {
			if n%7 != 0 {
				return io.EOF // What waits does more harm.
			}
			_, err := v.svc.CancelPending(ctx, worst, hook)
			return err
		},
	}
}
