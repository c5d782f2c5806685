// Command outbox shows that an order and its webhook are both there or neither, whatever
// dies when. Two processes of an order service take orders, relay and deliver; one of them is
// killed again and again. At the end the orders in the database are compared with the webhooks
// that were received. It exits non-zero if they differ.
//
//	DATABASE_URL=postgres://… REDIS_URL=redis://… go run -C examples/outbox .
package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := func() error {
		if name := os.Getenv("SHOP_NAME"); name != "" {
			return work(ctx, name, os.Getenv("SHOP_OPEN") != "")
		}
		return watch(ctx, fmt.Sprintf("shop_%d", time.Now().UnixNano()))
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "outbox failed:", err)
		os.Exit(1)
	}
}

// work is one process of the order service.
func work(ctx context.Context, name string, open bool) error {
	s, err := newShop(ctx, name)
	if err != nil {
		return err
	}
	return s.run(ctx, open)
}

// inbox is the merchant's server, which counts what it gets for each order.
type inbox struct {
	mu  sync.Mutex
	got map[string]int
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, _ := verifier.FromContext(r.Context())
	placed, err := event.Data[struct{ OrderID string }](e)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got[placed.OrderID]++
}

func (i *inbox) orders() map[string]int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.got)
}

// watch starts and kills processes, and compares.
func watch(ctx context.Context, name string) error {
	s, err := newShop(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _, _ = s.db.ExecContext(context.WithoutCancel(ctx), "drop schema "+name+" cascade") }()
	if _, err := s.db.ExecContext(ctx, "create table orders (id text primary key)"); err != nil {
		return err
	}
	in := &inbox{got: map[string]int{}}
	routes := http.NewServeMux()
	server := httptest.NewServer(routes)
	defer server.Close()
	reg, err := s.svc.Register(ctx, merchant, webhook.Registration{URL: server.URL, Events: []string{"order.placed"}})
	if err != nil {
		return err
	}
	routes.Handle("/", verifier.Middleware(reg.Secret.Reveal(), nil)(in))

	kills, err := disturb(ctx, name)
	if err != nil {
		return err
	}
	last := start(ctx, name, false) // It takes no more orders, and delivers the rest.
	if err := last.Start(); err != nil {
		return err
	}
	defer func() { _, _ = last.Process.Kill(), last.Wait() }()
	return s.compare(ctx, in, kills)
}

// start prepares a process of the order service.
func start(ctx context.Context, name string, open bool) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0]) //nolint:gosec // this program
	c.Env, c.Stderr = append(os.Environ(), "SHOP_NAME="+name), os.Stderr
	if open {
		c.Env = append(c.Env, "SHOP_OPEN=1")
	}
	return c
}

// disturb keeps two processes alive for some seconds, and kills one of them at a time, at any
// moment. At the end it kills both.
func disturb(ctx context.Context, name string) (kills int, err error) {
	var running [2]*exec.Cmd
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && ctx.Err() == nil; kills++ {
		for i := range running {
			if running[i] == nil {
				running[i] = start(ctx, name, true)
				if err := running[i].Start(); err != nil {
					return kills, err
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(200*time.Millisecond + rand.N(300*time.Millisecond)): //nolint:gosec // any moment will do
		}
		i := rand.N(len(running))                           //nolint:gosec // either will do
		_, _ = running[i].Process.Kill(), running[i].Wait() // kill -9
		running[i] = nil
	}
	for _, c := range running {
		if c != nil {
			_, _ = c.Process.Kill(), c.Wait()
		}
	}
	return kills, nil
}

// compare waits until every order has its webhook, and checks that no webhook lacks its order.
func (s *shop) compare(ctx context.Context, in *inbox, kills int) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	orders, err := s.placed(ctx)
	if err != nil {
		return err
	}
	for len(in.orders()) < len(orders) && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	got, sent := in.orders(), 0
	for _, id := range orders {
		sent += got[id]
		if got[id] == 0 {
			return fmt.Errorf("order %s of %d has no webhook", id, len(orders))
		}
	}
	if len(got) != len(orders) || len(orders) == 0 {
		return fmt.Errorf("%d orders, and webhooks for %d", len(orders), len(got))
	}
	fmt.Printf("%d orders, each with its webhook, after %d kills. %d came twice, as they may where a process dies after sending.\n",
		len(orders), kills, sent-len(orders))
	return nil
}

// placed lists the orders that were committed.
func (s *shop) placed(ctx context.Context) (ids []string, err error) {
	rows, err := s.db.QueryContext(ctx, "select id from orders")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		ids = append(ids, "")
		if err := rows.Scan(&ids[len(ids)-1]); err != nil {
			return nil, err
		}
	}
	return ids, rows.Err()
}
