package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/rag-assistant/webhooks/store/outbox"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const merchant = "merchant_42"

// shop is an order service. Its orders live in PostgreSQL, its webhooks in Redis.
type shop struct {
	db    *sql.DB
	box   *outbox.Box
	svc   *webhook.Service
	disp  *webhook.Dispatcher
	relay *outbox.Relay
}

// newShop connects to both. Name keeps this run apart from others.
func newShop(ctx context.Context, name string) (*shop, error) {
	where, err := url.Parse(os.Getenv("DATABASE_URL"))
	if err != nil {
		return nil, err
	}
	q := where.Query()
	q.Set("search_path", name)
	where.RawQuery = q.Encode()
	s := &shop{}
	if s.db, err = sql.Open("pgx", where.String()); err != nil {
		return nil, err
	}
	o := &outbox.Options{Schema: name} // Usually nil: the schema is "webhooks".
	if err := outbox.Migrate(ctx, s.db, o); err != nil {
		return nil, err
	}
	if s.box, err = outbox.New(s.db, o); err != nil { //nolint:contextcheck // it has a time limit of its own
		return nil, err
	}
	at, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		return nil, err
	}
	at.ContextTimeoutEnabled = true
	st, err := redisstore.Open(ctx, redis.NewClient(at), &redisstore.Options{Prefix: name})
	if err != nil {
		return nil, err
	}
	catalog, err := event.NewCatalog(event.Entry{Type: "order.placed", Description: "A customer has placed an order"})
	if err != nil {
		return nil, err
	}
	keys := []webhook.SecretKey{{ID: "k1", Key: [32]byte([]byte("of this demonstration, a constant"))}}
	local := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true} // this machine only
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	var err1, err2, err3 error
	s.svc, err1 = webhook.NewService(st, &webhook.ServiceOptions{Catalog: catalog, SecretKeys: keys, Egress: local})
	s.disp, err2 = webhook.NewDispatcher(st, &webhook.DispatcherOptions{
		SecretKeys: keys, Egress: local, Logger: logger,
		AttemptTimeout: 500 * time.Millisecond, Lease: 1500 * time.Millisecond, // so that nobody waits long for the dead
	})
	s.relay, err3 = outbox.NewRelay(s.box, s.svc, &outbox.RelayOptions{Lease: 2 * time.Second, Logger: logger})
	return s, errors.Join(err1, err2, err3)
}

// order writes an order and its event in one transaction: both are there, or neither.
func (s *shop) order(ctx context.Context, id string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // After a commit it does nothing.
	if _, err := tx.ExecContext(ctx, "insert into orders (id) values ($1)", id); err != nil {
		return err
	}
	e := event.NewRaw("order.placed", map[string]any{"orderId": id})
	if _, err := s.svc.PublishTo(ctx, s.box.In(tx), merchant, e); err != nil {
		return err
	}
	if strings.HasSuffix(id, "7") {
		return nil // The customer has changed her mind: neither is there.
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.box.Wake()
	return nil
}

// run takes orders, if it is open, and relays and delivers in the same process.
func (s *shop) run(ctx context.Context, open bool) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.relay.Run(ctx) })
	g.Go(func() error { return s.disp.Run(ctx) })
	for customer := range 2 {
		g.Go(func() error {
			for n := 0; open && ctx.Err() == nil; n++ {
				if err := s.order(ctx, fmt.Sprintf("%d-%d-%d", os.Getpid(), customer, n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
