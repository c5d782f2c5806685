package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/otelreceiver"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// demo is a service with three merchants: one whose receiver answers 503 now and
// then, one whose receiver is gone, and one that verifies what it receives.
type demo struct {
	store    store.Store
	svc      *webhook.Service
	disp     *webhook.Dispatcher
	receiver *httptest.Server
	verified http.Handler
	requests atomic.Int64
}

const (
	shaky    = "merchant_shaky"
	gone     = "merchant_gone"
	verifies = "merchant_verifies"
)

func newDemo(ctx context.Context, both *telemetry) (*demo, error) {
	tel := both.sent
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
	_, err := d.register(ctx, shaky, "/shaky")
	if err != nil {
		return nil, err
	}
	secret, err := d.register(ctx, verifies, "/verifies")
	if err != nil {
		return nil, err
	}
	d.verified, err = newReceiver(secret, both.received)
	return d, err
}

// newReceiver receives events, and has no handler for those of other types than it knows.
func newReceiver(secret string, tel *otelreceiver.Telemetry) (http.Handler, error) {
	mux := receiver.NewMux()
	receiver.On(mux, func(context.Context, event.Event, event.DocumentCreated) error { return nil })
	rcv, err := receiver.New(secret, mux, &receiver.Options{Source: "rag-assistant", Observer: tel.Observer()})
	if err != nil {
		return nil, err
	}
	_, err = tel.Watch(rcv)
	return rcv, err
}

func (d *demo) close() { d.receiver.Close() }

func (d *demo) receive(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/gone":
		w.WriteHeader(http.StatusGone)
	case r.URL.Path == "/verifies":
		d.verified.ServeHTTP(w, r)
	case d.requests.Add(1)%3 == 0:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

// register returns the secret of a new webhook.
func (d *demo) register(ctx context.Context, merchantID, path string) (secret string, err error) {
	r, err := d.svc.Register(ctx, merchantID, webhook.Registration{URL: d.receiver.URL + path, Events: []string{"*"}})
	return r.Secret.Reveal(), err
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

// round publishes some events, loses a receiver, asks for what is not there, and forges.
func (d *demo) round(ctx context.Context) error {
	for i := range 10 {
		id := fmt.Sprint("doc_", i)
		for _, e := range []event.Payload{event.DocumentCreated{DocumentID: id}, event.DocumentDeleted{DocumentID: id}} {
			for _, merchantID := range []string{shaky, verifies} {
				if _, err := d.svc.Publish(ctx, merchantID, event.New(e)); err != nil {
					return err
				}
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
	if _, err := d.register(ctx, gone, "/gone"); err != nil {
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
	return d.forge(ctx)
}

// forge posts what nobody has signed.
func (d *demo) forge(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.receiver.URL+"/verifies", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := d.receiver.Client().Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
