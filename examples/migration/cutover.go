package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/examples/migration/shop"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/transfer"
)

// publisher is the code that makes events. A column says whose each shop is: it is read
// once for an event, so each event has one sender.
type publisher struct {
	old *shop.Sender
	svc *webhook.Service

	mu     sync.Mutex
	column map[int]bool // shops of the new sender
}

func (p *publisher) set(shopID int, moved bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.column[shopID] = moved
}

// publish hands an event to the sender that the shop has at this moment.
func (p *publisher) publish(ctx context.Context, shopID int, eventID string) error {
	order := map[string]any{"order": 17, "name": "Zoë"}
	p.mu.Lock()
	moved := p.column[shopID]
	p.mu.Unlock()
	if !moved {
		return p.old.Send(ctx, shopID, "orders/paid", eventID, order)
	}
	e := event.NewRaw(event.Type(shop.Type("orders/paid")), order)
	e.ID = eventID // the one that it has in the shop's own table
	_, err := p.svc.Publish(ctx, shop.MerchantID(shopID), e)
	return err
}

// cutOver moves the shops that pass while events are published, one of them back again, and
// counts what has arrived.
func (m *move) cutOver(ctx context.Context, failing []string) error {
	st := memstore.New(nil) // in a service: Redis or SQL
	svc, err := webhook.NewService(st, &m.rehearsal.Service)
	if err != nil {
		return err
	}
	d, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{
		Wire: m.rehearsal.Service.Wire, Egress: m.rehearsal.Service.Egress, SecretKeys: m.rehearsal.Service.SecretKeys,
	})
	if err != nil {
		return err
	}
	stays := map[int]bool{} // A shop moves as a whole.
	for _, e := range m.table {
		stays[e.ShopID] = stays[e.ShopID] || slices.Contains(failing, strconv.Itoa(e.ID))
	}
	ready := slices.DeleteFunc(slices.Clone(m.table), func(e shop.Endpoint) bool { return stays[e.ShopID] })
	var file bytes.Buffer
	if err := shop.Export(&file, ready, m.encodings); err != nil {
		return err
	}
	imported, err := transfer.Import(ctx, st, &file, &transfer.ImportOptions{Service: m.rehearsal.Service, InsecureUnsealed: true})
	if err != nil {
		return err
	}
	fmt.Fprintf(m.out, "\nImported: %d, with their ids and secrets. The others stay where they are for now.\n", imported.Created)

	sending, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(sending) }()
	p := &publisher{old: &shop.Sender{Table: m.table, Client: http.DefaultClient}, svc: svc, column: map[int]bool{}}
	err = errors.Join(m.switchUnderLoad(ctx, p, ready), m.arrived(ctx))
	stop()
	return errors.Join(err, <-stopped)
}

// rounds is how many events each shop gets.
const rounds = 4

// switchUnderLoad sets the column shop by shop while four events are published for each,
// and at last sets one back.
func (m *move) switchUnderLoad(ctx context.Context, p *publisher, ready []shop.Endpoint) error {
	shops := m.shops()
	published := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		var errs []error
		for round := range rounds {
			for i, shopID := range shops {
				errs = append(errs, p.publish(ctx, shopID, eventID(round, shopID)))
				if round == 0 && i == len(shops)/2 {
					close(begun)
				}
			}
		}
		published <- errors.Join(errs...)
	}()
	<-begun // Half of the first events are on their way.
	for _, e := range ready {
		p.set(e.ShopID, true)
	}
	p.set(ready[0].ShopID, false) // the way back
	return <-published
}

// shops are those of the table, each once.
func (m *move) shops() (out []int) {
	for _, e := range m.table {
		out = append(out, e.ShopID)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func eventID(round, shopID int) string { return fmt.Sprintf("evt_%d_%d", shopID, round) }

// arrived waits for the new sender, and requires that each endpoint has each event of its
// shop once.
func (m *move) arrived(ctx context.Context) error {
	missing := func() (out []error) {
		for _, e := range m.table {
			for round := range rounds {
				if n := m.receivers.Arrived(eventID(round, e.ShopID), e.ID); n != 1 {
					out = append(out, fmt.Errorf("%s has %s %d times", e.URL, eventID(round, e.ShopID), n))
				}
			}
		}
		return out
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for limit := time.After(10 * time.Second); ; {
		left := missing()
		if len(left) == 0 {
			fmt.Fprintf(m.out, "%d events were published meanwhile, and each has arrived once at all endpoints of its shop.\n", rounds*len(m.shops()))
			return nil
		}
		select {
		case <-ticker.C:
		case <-limit:
			return errors.Join(left[:min(len(left), 5)]...)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
