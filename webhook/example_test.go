package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	mux := http.NewServeMux()

	st := memstore.New(nil)
	svc, err1 := webhook.NewService(st, nil)     // safe in any process
	disp, err2 := webhook.NewDispatcher(st, nil) // in as many processes as you like
	h, err3 := api.New(svc, authenticate, nil)   // the management API, for any router
	if err := errors.Join(err1, err2, err3); err != nil {
		log.Fatal(err)
	}
	go disp.Run(ctx) // delivers until ctx ends, then drains
	mux.Handle("/api/", h)

	p, err := svc.Publish(ctx, "merchant_42", event.New(event.DocumentCreated{
		DocumentID: "doc_1", Type: "product", Title: "Wireless Bluetooth Headphones",
	}))

	fmt.Println(err, len(p.Deliveries), "webhooks subscribe to it so far")
	// Output: <nil> 0 webhooks subscribe to it so far
}

// What the management API does for a merchant.
func ExampleService_Register() {
	ctx := context.Background()
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	reg, err := svc.Register(ctx, "merchant_42", webhook.Registration{
		URL: "https://example.com/webhooks", Events: []string{"document.created"},
	})
	if err != nil {
		log.Fatal(err)
	}
	secret := reg.Secret.Reveal() // for the receiver; whatever prints reg does not show it

	fmt.Println(len(secret), reg.Secret)
	// Output: 42 whsec_***
}

// A host's own events.
func ExampleService_Publish() {
	ctx := context.Background()
	st := memstore.New(nil)

	catalog, err := event.DefaultCatalog().With(event.Entry{
		Type: "order.paid", Description: "An order was paid", Frequency: event.Medium,
	})
	if err != nil {
		log.Fatal(err)
	}
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Catalog: catalog})
	if err != nil {
		log.Fatal(err)
	}
	_, err = svc.Publish(ctx, "merchant_42", event.NewRaw("order.paid", map[string]any{"orderId": "o_1", "total": 12.5}))

	fmt.Println(err)
	// Output: <nil>
}

// Endpoints on this machine.
func ExampleServiceOptions_egress() {
	st := memstore.New(nil)

	out := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	svc, err1 := webhook.NewService(st, &webhook.ServiceOptions{Egress: out})
	disp, err2 := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Egress: out})

	fmt.Println(svc != nil, disp != nil, err1, err2)
	// Output: true true <nil> <nil>
}

// An operator hears of webhooks that have trouble through its own, and their
// owners by mail: see package mailnotify.
func ExamplePublishNotices() {
	ctx := context.Background()
	st := memstore.New(nil)
	mail := func(_ context.Context, n webhook.Notice) error {
		fmt.Printf("mail to the owner of %s: %s after %d failures\n", n.WebhookID, n.Kind, n.Failures)
		return nil
	}

	catalog, err := event.DefaultCatalog().With(event.NoticeEntries()...)
	if err != nil {
		log.Fatal(err)
	}
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Catalog: catalog})
	if err != nil {
		log.Fatal(err)
	}
	publish, err := webhook.PublishNotices(svc, "operator")
	if err != nil {
		log.Fatal(err)
	}
	// What may be repeated goes first, and what a person would see twice last.
	opts := &webhook.DispatcherOptions{WarnAfter: 5, OnNotice: webhook.NoticeFuncs(publish, mail)}
	if _, err := webhook.NewDispatcher(st, opts); err != nil {
		log.Fatal(err)
	}

	// A dispatcher would call it.
	err = opts.OnNotice(ctx, webhook.Notice{ID: "whk_1.1.warning.0", Kind: webhook.NoticeWarning, MerchantID: "merchant_42", WebhookID: "whk_1", Failures: 5})
	fmt.Println(err)
	// Output:
	// mail to the owner of whk_1: warning after 5 failures
	// <nil>
}

// authenticate stands for the host's own login.
func authenticate(r *http.Request) (webhook.Principal, error) {
	if r.Header.Get("Authorization") == "" {
		return webhook.Principal{}, errors.New("nobody is logged in")
	}
	return webhook.Principal{MerchantID: "merchant_42"}, nil
}
