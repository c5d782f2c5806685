package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// crowd is several merchants whose webhooks come, go and change, with all that
// their endpoints have received.
type crowd struct {
	t     *testing.T
	rng   *rand.Rand
	svc   *webhook.Service
	hooks []*endpointOf

	mu    sync.Mutex
	posts int
}

// endpointOf is a webhook as the test knows it.
type endpointOf struct {
	merchantID string
	id, url    string
	secret     signer.Secret
	types      []string // subscribed to; nil while it is disabled
	want, got  []string // ids of events
}

// RoundTrip receives a request and requires that it is for whom it arrives at.
func (c *crowd) RoundTrip(req *http.Request) (*http.Response, error) {
	e := &harness.Endpoint{}
	resp, err := e.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	got := e.Seen()[0]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.posts++
	i := slices.IndexFunc(c.hooks, func(h *endpointOf) bool { return h.url == got.URL })
	if i < 0 {
		c.t.Errorf("%s is nobody's", got.URL)
		return resp, nil
	}
	h := c.hooks[i]
	var body struct {
		ID   string
		Data struct{ MerchantID string }
	}
	if err := json.Unmarshal([]byte(got.Body), &body); err != nil {
		c.t.Errorf("%s: %v", got.Body, err)
	}
	if body.Data.MerchantID != h.merchantID || got.Header.Get(signer.HeaderWebhookID) != h.id {
		c.t.Errorf("%s got %s of webhook %s", h.url, got.Body, got.Header.Get(signer.HeaderWebhookID))
	}
	if a, _ := harness.Knows(c.t, h.secret)(got); a.Status != http.StatusOK {
		c.t.Errorf("%s got a request that another webhook's secret has signed", h.url)
	}
	h.got = append(h.got, body.ID)
	return resp, nil
}

func (c *crowd) types() []string {
	all := []string{"document.created", "document.updated", "document.deleted", "chat.query.completed"}
	if c.rng.IntN(4) == 0 {
		return []string{webhook.EveryType}
	}
	c.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+c.rng.IntN(len(all))]
}

// join registers one more webhook.
func (c *crowd) join(merchantID string) {
	c.t.Helper()
	c.mu.Lock()
	n := len(c.hooks)
	c.mu.Unlock()
	h := &endpointOf{merchantID: merchantID, types: c.types(), url: fmt.Sprintf("https://%d.example.com/%s", n, merchantID)}
	reg, err := c.svc.Register(c.t.Context(), merchantID, webhook.Registration{URL: h.url, Events: h.types})
	require.NoError(c.t, err)
	h.id, h.secret = reg.Webhook.ID, reg.Secret
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hooks = append(c.hooks, h)
}

// change turns a webhook off or on with other types.
func (c *crowd) change() {
	c.t.Helper()
	h := c.hooks[c.rng.IntN(len(c.hooks))]
	u := webhook.Update{Status: new(webhook.Disabled)}
	if h.types == nil {
		u = webhook.Update{Status: new(webhook.Active), Events: c.types()}
	}
	_, err := c.svc.Update(c.t.Context(), h.merchantID, h.id, u)
	require.NoError(c.t, err)
	h.types = u.Events
}

// publish publishes an event under an id that other merchants use too, and
// requires a delivery for each webhook that it is for.
func (c *crowd) publish(merchantID string, n int) {
	c.t.Helper()
	kind := c.types()[0]
	if kind == webhook.EveryType {
		kind = "document.created"
	}
	e := event.NewRaw(event.Type(kind), map[string]string{"merchantId": merchantID})
	e.ID = fmt.Sprintf("evt_own_%d", n)
	if c.rng.IntN(2) == 0 {
		e.ID = fmt.Sprintf("evt_%d", n/8)
	}
	p, err := c.svc.Publish(c.t.Context(), merchantID, e)
	if err != nil { // The id is taken by another event of this merchant.
		require.ErrorIs(c.t, err, webhook.ErrConflict)
		return
	}
	if p.Duplicate {
		return
	}
	var want []string
	for _, h := range c.hooks {
		if h.merchantID == merchantID && (slices.Contains(h.types, kind) || slices.Contains(h.types, webhook.EveryType)) {
			want = append(want, h.id)
			h.want = append(h.want, e.ID)
		}
	}
	var got []string
	for _, d := range p.Deliveries {
		got = append(got, d.WebhookID)
	}
	require.ElementsMatch(c.t, want, got)
}

// An event goes to the webhooks of its merchant that ask for its type, and to
// nobody else's.
func TestFanOutsNeverCross(t *testing.T) {
	t.Parallel()
	for name, open := range harness.Stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			keys := []webhook.SecretKey{harness.KeyOne()}
			svc, err := webhook.NewService(b.Store, &webhook.ServiceOptions{SecretKeys: keys})
			require.NoError(t, err)
			c := &crowd{t: t, rng: rand.New(rand.NewPCG(seed, 0)), svc: svc}
			merchants := []string{"m", "m.", "m1", "M1", "m@1", "m-1_"} // Each is part of another.
			settled := make(chan struct{}, 1<<16)
			disp, err := webhook.NewDispatcher(b.Store, &webhook.DispatcherOptions{
				SecretKeys: keys, Transport: c,
				Observer: webhook.Observer{Settled: func(context.Context, webhook.SettledInfo) { settled <- struct{}{} }},
			})
			require.NoError(t, err)
			for _, m := range merchants {
				c.join(m)
			}
			for n := range 1000 {
				switch m := merchants[c.rng.IntN(len(merchants))]; {
				case n%25 == 0:
					c.join(m)
				case n%10 == 0:
					c.change()
				}
				c.publish(merchants[c.rng.IntN(len(merchants))], n)
			}
			total := 0
			for _, h := range c.hooks {
				total += len(h.want)
				_, err := svc.Update(t.Context(), h.merchantID, h.id, webhook.Update{Status: new(webhook.Active)})
				require.NoError(t, err)
			}
			require.Greater(t, total, 1000)

			ctx, stop := context.WithCancel(t.Context())
			stopped := make(chan error, 1)
			go func() { stopped <- disp.Run(ctx) }()
			for range total {
				harness.Receive(t, settled)
			}
			stop()
			require.NoError(t, <-stopped)
			require.Equal(t, total, c.posts)
			for _, h := range c.hooks {
				require.ElementsMatch(t, h.want, h.got, "%s of %s", h.url, h.merchantID)
				stats, err := svc.Stats(t.Context(), h.merchantID, h.id)
				require.NoError(t, err)
				require.Equal(t, webhook.Stats{
					Total: int64(len(h.want)), Succeeded: int64(len(h.want)), Attempts: int64(len(h.want)),
				}, stats)
			}
		})
	}
}
