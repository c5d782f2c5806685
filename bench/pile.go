package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/bench/internal/driver"
	"github.com/rag-assistant/webhooks/bench/internal/proc"
	"github.com/rag-assistant/webhooks/bench/internal/report"
	"github.com/rag-assistant/webhooks/bench/internal/servers"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

const (
	growthBody  = 1 << 10
	growthBatch = 100
	fillBatch   = 1_000
	// perMerchant is how many webhooks a merchant has, each with a type of its own.
	perMerchant = 100
	growthLimit = 100 // deliveries of one webhook at once
)

// stack is a store that is being measured.
type stack struct {
	heap

	store  store.Store
	client *redis.Client // nil: memstore
	events int           // published so far
}

// measure fills the store and returns what each operation costs.
func (h heap) measure(ctx context.Context) (map[string]float64, error) {
	s := &stack{heap: h, store: memstore.New(nil)}
	if h.Redis != "" {
		s.client = redis.NewClient(&redis.Options{Addr: h.Redis})
		defer s.client.Close()
		st, err := redisstore.Open(ctx, driver.Connect([]string{h.Redis}), nil)
		if err != nil {
			return nil, err
		}
		s.store = st
	}
	if err := s.register(ctx); err != nil {
		return nil, err
	}
	if h.Ended > 0 {
		return s.retention(ctx)
	}
	out := map[string]float64{}
	before, resident, err := s.size(ctx)
	if err != nil {
		return nil, err
	}
	for s.events < h.Pending {
		if err := s.publish(ctx, min(fillBatch, h.Pending-s.events)); err != nil {
			return nil, err
		}
	}
	after, resident2, err := s.size(ctx)
	if err != nil {
		return nil, err
	}
	body, err := s.bodySize(ctx)
	if err != nil {
		return nil, err
	}
	out[report.BytesEach] = float64(after-before)/float64(h.Pending) - body
	if s.client == nil {
		out["process bytes each"] = float64(resident2-resident)/float64(h.Pending) - body
	}
	if err := s.cycles(ctx, out); err != nil {
		return nil, err
	}
	return out, s.reads(ctx, out)
}

func (s *stack) merchant(webhook int) string { return fmt.Sprintf("m%d", webhook/perMerchant) }

func (s *stack) id(webhook int) string { return fmt.Sprintf("whk_%024d", webhook) }

func (s *stack) register(ctx context.Context) error {
	for i := range s.Webhooks {
		kind := fmt.Sprintf("type.%d", i)
		if s.FanOut > 1 {
			kind = "type.0"
		}
		_, err := s.store.CreateWebhook(ctx, s.merchant(i), store.Webhook{
			ID: s.id(i), URL: "https://example.com/webhooks", Events: []string{kind}, Status: store.Active,
			Secret: strings.Repeat("s", 100), Encoding: "standard",
		}, 0)
		if err != nil {
			return err
		}
	}
	return nil
}

// publish publishes n events, one for each webhook in turn.
func (s *stack) publish(ctx context.Context, n int) error {
	batches := map[string][]store.NewEvent{}
	for range n {
		i := s.events % s.Webhooks
		s.events++
		id := "evt_" + rand.Text()
		batches[s.merchant(i)] = append(batches[s.merchant(i)], store.NewEvent{
			ID: id, Type: fmt.Sprintf("type.%d", i), Fingerprint: id, Body: []byte(strings.Repeat("x", growthBody)),
		})
	}
	for merchant, events := range batches {
		if _, err := s.store.Publish(ctx, merchant, events); err != nil {
			return err
		}
	}
	return nil
}

// size returns the memory of the store, and of this process.
func (s *stack) size(ctx context.Context) (bytes, resident int64, err error) {
	if s.client != nil {
		c, err := servers.Count(ctx, s.client)
		return c.Memory, 0, err
	}
	runtime.GC()
	u := proc.Measure()
	return int64(u.Heap), u.RSS, nil //nolint:gosec // far below
}

// bodySize returns the memory that a body takes as a plain string.
func (s *stack) bodySize(ctx context.Context) (float64, error) {
	if s.client == nil {
		return growthBody, nil // a size class of its own
	}
	const n = 10_000
	var sizes [3]int64
	for i, value := range []string{"", strings.Repeat("x", growthBody)} {
		before, _, err := s.size(ctx)
		if err != nil {
			return 0, err
		}
		_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for k := range n {
				p.Set(ctx, fmt.Sprint("plain", i, ":", k), value, 0)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		after, _, err := s.size(ctx)
		if err != nil {
			return 0, err
		}
		sizes[i] = after - before
	}
	return float64(sizes[1]-sizes[0]) / n, nil
}

// cycles publishes, claims and finishes batch after batch.
func (s *stack) cycles(ctx context.Context, out map[string]float64) error {
	took := map[string][]float64{}
	timed := func(name string, f func() error) error {
		began := time.Now()
		err := f()
		took[name] = append(took[name], micros(time.Since(began))/growthBatch)
		return err
	}
	for range s.Cycles {
		// One merchant's events, as one call of a user has them.
		s.events -= s.events % perMerchant
		var claimed store.Claimed
		err := timed("publish", func() error { return s.publish(ctx, growthBatch) })
		if err == nil {
			err = timed("claim", func() (err error) {
				claimed, err = s.store.Claim(ctx, store.ClaimRequest{Limit: growthBatch, Lease: time.Minute, PerWebhook: growthLimit})
				if err == nil && len(claimed.Leases) != growthBatch {
					err = fmt.Errorf("claimed %d", len(claimed.Leases))
				}
				return err
			})
		}
		if err == nil {
			results := settle(claimed.Leases)
			err = timed("finish", func() error { _, err := s.store.Finish(ctx, results); return err })
		}
		if err != nil {
			return err
		}
	}
	for name, all := range took {
		out[name+" µs each"] = middle(all)
	}
	return nil
}

// retention lets deliveries end, and measures what they take until they are removed.
func (s *stack) retention(ctx context.Context) (map[string]float64, error) {
	before, _, err := s.size(ctx)
	if err != nil {
		return nil, err
	}
	s.Webhooks /= s.FanOut // as many types
	for left := s.Ended / s.FanOut; left > 0; left -= growthBatch {
		if err := s.publish(ctx, min(growthBatch, left)); err != nil {
			return nil, err
		}
		for {
			c, err := s.store.Claim(ctx, store.ClaimRequest{Limit: growthBatch, Lease: time.Minute, PerWebhook: growthLimit})
			if err != nil {
				return nil, err
			}
			if len(c.Leases) == 0 {
				break
			}
			if _, err := s.store.Finish(ctx, settle(c.Leases)); err != nil {
				return nil, err
			}
		}
	}
	after, _, err := s.size(ctx)
	if err != nil {
		return nil, err
	}
	body, err := s.bodySize(ctx)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, 10*time.Millisecond); err != nil { // so that all have ended before
		return nil, err
	}
	began, err := servers.Count(ctx, s.client)
	if err != nil {
		return nil, err
	}
	removed, n := 0, float64(s.Ended)
	for more := true; more; {
		p, err := s.store.Prune(ctx, store.PruneRequest{DeliveryAge: time.Millisecond, EventAge: time.Millisecond, Limit: 500})
		if err != nil {
			return nil, err
		}
		removed += p.Deliveries
		more = p.More
	}
	if removed != s.Ended {
		return nil, fmt.Errorf("%d of %d were removed", removed, s.Ended)
	}
	ended, err := servers.Count(ctx, s.client)
	if err != nil {
		return nil, err
	}
	used := ended.Sub(began)
	return map[string]float64{
		report.BytesEach:   float64(after-before)/n - body/float64(s.FanOut),
		report.RemovalEach: micros(used.CPU) / n,
		"commands":         float64(used.Commands) / n,
	}, nil
}

func settle(leases []store.Lease) []store.Result {
	out := make([]store.Result, len(leases))
	for i, l := range leases {
		out[i] = store.Result{
			MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token,
			Outcome: store.Succeeded, Streak: store.StreakReset,
			Attempt: store.Attempt{StatusCode: 200, Duration: time.Millisecond, ResponseBody: "ok"},
		}
	}
	return out
}

// reads lists, counts, and prunes what the cycles have finished.
func (s *stack) reads(ctx context.Context, out map[string]float64) error {
	merchant, last := s.merchant(0), ""
	for _, op := range []struct {
		column string
		read   func() error
	}{
		{"page µs", func() error {
			_, err := s.store.Deliveries(ctx, merchant, s.id(0), store.DeliveryQuery{Limit: 100})
			return err
		}},
		{"stats µs", func() error {
			_, err := s.store.Stats(ctx, merchant, s.id(0))
			return err
		}},
		{"events µs", func() error {
			p, err := s.store.Events(ctx, merchant, store.EventQuery{Newest: true, Limit: 100})
			if err == nil && len(p.Events) == 0 {
				err = errors.New("the log of events is empty")
			}
			if err == nil {
				last = p.Events[0].ID
			}
			return err
		}},
		{"event µs", func() error {
			_, err := s.store.EventDeliveries(ctx, merchant, last)
			return err
		}},
	} {
		took := make([]float64, max(s.Cycles/5, 1))
		for i := range took {
			began := time.Now()
			if err := op.read(); err != nil {
				return err
			}
			took[i] = micros(time.Since(began))
		}
		out[op.column] = middle(took)
	}
	var prunes []float64
	if err := pause(ctx, 10*time.Millisecond); err != nil { // so that all have ended before
		return err
	}
	for more := true; more; {
		began := time.Now()
		p, err := s.store.Prune(ctx, store.PruneRequest{DeliveryAge: time.Millisecond, Limit: 500})
		if err != nil {
			return err
		}
		if p.Deliveries > 0 {
			prunes = append(prunes, micros(time.Since(began))/float64(p.Deliveries))
		}
		more = p.More
	}
	if len(prunes) == 0 {
		return errors.New("nothing was pruned")
	}
	out["prune µs each"] = middle(prunes)
	return nil
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
