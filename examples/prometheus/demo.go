package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/otelwebhook"
)

// demo is a service with two merchants: one whose receiver answers 503 now and
// then, and one whose receiver is gone.
type demo struct {
	store    store.Store
	svc      *webhook.Service
	disp     *webhook.Dispatcher
	receiver *httptest.Server
	requests atomic.Int64
}

const (
	shaky = "merchant_shaky"
	gone  = "merchant_gone"
)

func newDemo(ctx context.Context, tel *otelwebhook.Telemetry) (*demo, error) {
	d := &demo{store: tel.Store(memstore.New(nil))}
	out := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true} // this machine only
	var err1, err2 error
	d.svc, err1 = webhook.NewService(d.store, &webhook.ServiceOptions{Egress: out, Observer: tel.Observer()})
	d.disp, err2 = webhook.NewDispatcher(d.store, &webhook.DispatcherOptions{
		Egress: out, Observer: tel.Observer(), DisableAfter: 3,
		Retry: retry.Policy{Delays: []time.Duration{20 * time.Millisecond}, MaxAttempts: 2},
	})
	_, err3 := tel.WatchBacklog(d.store)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	d.receiver = httptest.NewServer(http.HandlerFunc(d.receive))
	return d, d.register(ctx, shaky, "/shaky")
}

func (d *demo) close() { d.receiver.Close() }

func (d *demo) receive(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/gone":
		w.WriteHeader(http.StatusGone)
	case d.requests.Add(1)%3 == 0:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

func (d *demo) register(ctx context.Context, merchantID, path string) error {
	_, err := d.svc.Register(ctx, merchantID, webhook.Registration{URL: d.receiver.URL + path, Events: []string{"*"}})
	return err
}

// rounds makes rounds until ctx ends.
func (d *demo) rounds(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := d.round(ctx); err != nil && ctx.Err() == nil {
			log.Print(err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// round publishes some events, loses a receiver, and asks for what is not there.
func (d *demo) round(ctx context.Context) error {
	for i := range 10 {
		id := fmt.Sprint("doc_", i)
		for _, e := range []event.Payload{event.DocumentCreated{DocumentID: id}, event.DocumentDeleted{DocumentID: id}} {
			if _, err := d.svc.Publish(ctx, shaky, event.New(e)); err != nil {
				return err
			}
		}
	}
	page, err := d.svc.Webhooks(ctx, gone, webhook.WebhookQuery{Limit: 1})
	if err != nil {
		return err
	}
	for _, w := range page.Webhooks {
		if err := d.svc.Delete(ctx, gone, w.ID, 0); err != nil {
			return err
		}
	}
	if err := d.register(ctx, gone, "/gone"); err != nil {
		return err
	}
	for range 3 {
		if _, err := d.svc.Publish(ctx, gone, event.New(event.DocumentCreated{DocumentID: "doc_1"})); err != nil {
			return err
		}
	}
	if _, err := d.svc.Webhook(ctx, shaky, "whk_unknown"); !errors.Is(err, webhook.ErrNotFound) {
		return fmt.Errorf("an unknown webhook: %w", err)
	}
	return nil
}
