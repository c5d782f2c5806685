package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// registrars is how many webhooks are registered at once.
const registrars = 16

// Ours is this module.
type Ours struct {
	Service *webhook.Service

	dispatcher *webhook.Dispatcher
	client     redis.UniversalClient
}

// Connect returns a client of a server or, with several addresses, of a Cluster.
func Connect(addrs []string) redis.UniversalClient {
	if len(addrs) > 1 {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, ContextTimeoutEnabled: true})
	}
	return redis.NewClient(&redis.Options{Addr: addrs[0], ContextTimeoutEnabled: true})
}

func newOurs(ctx context.Context, s Spec) (*Ours, error) {
	o := &Ours{}
	var st store.Store
	if s.Name == Memory {
		st = memstore.New(nil)
	} else {
		o.client = Connect(s.Redis)
		rs, err := redisstore.Open(ctx, o.client, &redisstore.Options{Shards: s.Shards})
		if err != nil {
			return nil, err
		}
		st = rs
	}
	roots, err := s.roots()
	if err != nil {
		return nil, err
	}
	out := &egress.Options{
		InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true, RootCAs: roots,
		MaxIdleConns: maxIdleConns, MaxIdleConnsPerHost: maxIdleConns, Resolver: loopback{},
	}
	keys := []webhook.SecretKey{{ID: "bench", Key: [32]byte{1}}}
	o.Service, err = webhook.NewService(st, &webhook.ServiceOptions{
		Egress: out, SecretKeys: keys, Limits: webhook.Limits{Webhooks: 1000, NoPendingLimit: true},
	})
	if err != nil {
		return nil, err
	}
	opts := &webhook.DispatcherOptions{
		Egress: out, SecretKeys: keys, Concurrency: s.Concurrency, PerWebhook: s.PerWebhook, DrainTimeout: time.Second,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
	if s.ShortLog {
		opts.Retention = webhook.Retention{Deliveries: time.Minute, PerWebhook: 100, Paused: time.Minute, Events: time.Minute, Notices: time.Minute}
	}
	o.dispatcher, err = webhook.NewDispatcher(st, opts)
	return o, err
}

// Register makes endpoints known.
func (o *Ours) Register(ctx context.Context, endpoints []Endpoint) error {
	var all sync.WaitGroup
	queue := make(chan Endpoint)
	errs := make(chan error, len(endpoints))
	for range registrars {
		all.Go(func() {
			for e := range queue {
				_, err := o.Service.Register(ctx, e.Merchant, webhook.Registration{URL: e.URL, Events: []string{eventType}})
				if err != nil {
					errs <- err
				}
			}
		})
	}
	for _, e := range endpoints {
		queue <- e
	}
	close(queue)
	all.Wait()
	close(errs)
	return <-errs
}

// Publish queues events.
func (o *Ours) Publish(ctx context.Context, merchant string, sent []time.Time) error {
	events := make([]event.Event, len(sent))
	for i, at := range sent {
		events[i] = event.NewRaw(eventType, json.RawMessage(data(at)))
	}
	published, err := o.Service.PublishBatch(ctx, merchant, events)
	if err == nil && len(published[0].Deliveries) == 0 {
		err = fmt.Errorf("driver: nobody subscribes to events of %s", merchant)
	}
	return err
}

// Deliver delivers until ctx ends.
func (o *Ours) Deliver(ctx context.Context) error { return o.dispatcher.Run(ctx) }

// Close closes the client.
func (o *Ours) Close() {
	if o.client != nil {
		_ = o.client.Close() // The process ends soon.
	}
}

// HostOfItsOwn is base, whose host is the loopback, under a name that no other number has.
func HostOfItsOwn(base string, n int) string {
	return strings.Replace(base, "127.0.0.1", fmt.Sprintf("host-%d.example.com", n), 1)
}

// loopback finds every name at the loopback.
type loopback struct{}

// LookupNetIP implements [egress.Resolver].
func (loopback) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}
