// Command portal shows the developer portal in use. Its merchant has an endpoint that
// works and one that fails now and then, and gets an event every two seconds.
// Everything is in memory and on this machine.
//
//	go run ./examples/portal
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"time"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

const merchant = "merchant_42"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	receiver := httptest.NewTLSServer(http.HandlerFunc(receive))
	defer receiver.Close()
	trust := x509.NewCertPool()
	trust.AddCert(receiver.Certificate())
	out := &egress.Options{InsecureAllowPrivateNetworks: true, RootCAs: trust} // this machine only

	st := memstore.New(nil)
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Egress: out})
	if err != nil {
		return err
	}
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{
		Egress: out, Retry: retry.Policy{Delays: []time.Duration{5 * time.Second, 10 * time.Second}},
	})
	if err != nil {
		return err
	}
	// Everybody is the same merchant here; a host looks at the session.
	pages, err := portal.New(svc, func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{MerchantID: merchant, Subject: "ada@example.com"}, nil
	}, nil)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/developers/", http.StripPrefix("/developers", pages))
	mux.Handle("/", http.RedirectHandler("/developers/", http.StatusSeeOther))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}

	for path, description := range map[string]string{"/orders": "Order sync", "/flaky": "Staging, fails now and then"} {
		if _, err := svc.Register(ctx, merchant, webhook.Registration{
			URL: receiver.URL + path, Description: description, Events: []string{webhook.EveryType},
		}); err != nil {
			return err
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:8080")
	if err != nil {
		return err
	}
	fmt.Printf("Developer portal at http://%s/developers/\nAn endpoint to register: %s/mine\n", listener.Addr(), receiver.URL)

	dispatched := make(chan error, 1)
	go func() { dispatched <- disp.Run(ctx) }()
	go publish(ctx, svc)
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-dispatched
}

// receive is the merchant's server. A real one verifies: see examples/receiver.
func receive(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/flaky" && rand.N(3) == 0 { //nolint:gosec // it decides about nothing
		http.Error(w, "database is locked", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "OK")
}

// publish publishes the catalog's samples in turn.
func publish(ctx context.Context, svc *webhook.Service) {
	entries := svc.Catalog().Entries()
	for i := 0; ctx.Err() == nil; i++ {
		if entry := entries[i%len(entries)]; entry.Subscribable() {
			example, err := event.Parse(entry.Example)
			if err == nil {
				_, err = svc.Publish(ctx, merchant, event.NewRaw(entry.Type, example.Data))
			}
			if err != nil {
				log.Println(err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}
