// Command receiver receives webhooks. It verifies them, calls the handler of each
// event's type once, and counts what happened.
package main

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

func main() {
	mux := receiver.NewMux()
	receiver.On(mux, func(_ context.Context, e event.Event, doc event.DocumentCreated) error {
		log.Printf("%s: new document %q", e.ID, doc.Title)
		return nil
	})
	mux.Handle("usage.limit.*", func(_ context.Context, e event.Event) error {
		log.Printf("%s: %s", e.ID, e.Type)
		return nil
	})
	rcv, err := receiver.New(os.Getenv("WEBHOOK_SECRET"), mux, &receiver.Options{
		Seen: memstore.New(nil), Logger: slog.Default(),
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /webhooks", rcv)
	http.Handle("GET /metrics/webhooks", rcv.MetricsHandler())
	server := &http.Server{Addr: "127.0.0.1:3000", ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}
