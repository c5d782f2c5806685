// Command receiver takes in what GitHub, Stripe, Slack and RAG Assistant send, and loses none of it.
package main

import (
	"context"
	"database/sql"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/rag-assistant/webhooks/store/sqlstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/provider"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/inbox"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	mux := receiver.NewMux()
	receiver.On(mux, func(_ context.Context, e event.Event, doc event.DocumentCreated) error {
		log.Printf("%s: new document %q", e.ID, doc.Title)
		return nil
	})
	mux.Handle("*", func(_ context.Context, e event.Event) error { log.Printf("%s: %s", e.ID, e.Type); return nil })
	github, err1 := provider.GitHub(os.Getenv("GITHUB_SECRET"), nil)
	stripe, err2 := provider.Stripe(os.Getenv("STRIPE_SECRET"), nil)
	slack, err3 := provider.Slack(os.Getenv("SLACK_SECRET"), nil)
	ours, err4 := verifier.New(os.Getenv("WEBHOOK_SECRET"), nil)
	check(errors.Join(err1, err2, err3, err4))
	db, err := sql.Open("sqlite", "file:inbox.db?_pragma=busy_timeout(5000)&_pragma=synchronous(full)&_txlock=immediate")
	check(err)
	check(sqlstore.Migrate(ctx, db, nil))
	st, err := sqlstore.Open(ctx, db, nil)
	check(err)
	in, err := inbox.New(st, mux, &inbox.Options{Receiver: receiver.Options{Logger: slog.Default()}})
	check(err)
	for source, v := range map[string]verifier.Checker{"github": github, "stripe": stripe, "slack": slack, "ours": ours} {
		h, err := in.Handler(source, v, nil)
		check(err)
		http.Handle("POST /webhooks/"+source, h)
	}
	server := &http.Server{Addr: "127.0.0.1:3000", ReadHeaderTimeout: 5 * time.Second}
	go func() { check(server.ListenAndServe()) }()
	check(in.Run(ctx)) // After a signal, it waits for the handlers.
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
