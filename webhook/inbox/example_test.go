package inbox_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/inbox"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// An event is acknowledged when it is stored, and handled after that.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	mux := receiver.NewMux()
	receiver.On(mux, func(ctx context.Context, _ event.Event, doc event.DocumentCreated) error {
		delivery, _ := inbox.FromContext(ctx)
		fmt.Println(delivery.Source, "has a document:", doc.Title)
		stop()
		return nil
	})
	in, err := inbox.New(memstore.New(nil), mux, nil) // In production, a store that lasts.
	if err != nil {
		log.Fatal(err)
	}
	h, err := in.Handler("acme", vendor{}, nil) // Anything that verifies: package provider has some.
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /webhooks/acme", h)

	r := httptest.NewRequest(http.MethodPost, "/webhooks/acme", strings.NewReader(`{"type":"document.created","data":{"documentId":"doc_1","title":"Contract"}}`))
	r.Header = http.Header{"Content-Type": {"application/json"}, "X-Token": {"right"}, "X-Id": {"evt_1"}}
	w := httptest.NewRecorder()
	http.DefaultServeMux.ServeHTTP(w, r)
	fmt.Println(w.Code)
	if err := in.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 200
	// acme has a document: Contract
}

// A handler that works in the database of the inbox's store has its effects committed with the
// mark of the event, once.
func ExampleTx() {
	mux := receiver.NewMux()
	mux.Handle("invoice.paid", func(ctx context.Context, e event.Event) error {
		tx, err := inbox.Tx(ctx)
		if err != nil {
			return err // ErrHandled, too: then the event counts as handled.
		}
		var invoice struct{ Number string }
		if err := e.Decode(&invoice); err != nil {
			return receiver.Never(err)
		}
		_, err = tx.ExecContext(ctx, "update invoices set paid = true where number = $1", invoice.Number)
		return err // Nil commits it.
	})
	// Output:
}

// The management API looks into an inbox, and has dead letters handled again.
func ExampleInbox_Service() {
	mux := http.NewServeMux()
	handlers := receiver.NewMux()
	handlers.Handle("*", func(context.Context, event.Event) error { return nil })
	in, err := inbox.New(memstore.New(nil), handlers, nil)
	if err != nil {
		log.Fatal(err)
	}
	authenticate := func(*http.Request) (webhook.Principal, error) { return webhook.Principal{AnyMerchant: true}, nil } // Yours.
	h, err := api.New(in.Service(), authenticate, nil)
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("/api/", h)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/merchants/github/events", nil))
	fmt.Println(w.Code)
	// Output: 200
}
