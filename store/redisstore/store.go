package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store"
)

// Options configures a [Store].
type Options struct {
	// Prefix begins every key. Stores with different ones share a Redis without
	// seeing each other. It must not contain braces or spaces. Defaults to "wh".
	Prefix string

	// Shards is how many parts the data has, from 1 to 256. It is fixed when a
	// store is first used: another number is an error later on. Defaults to what
	// the store has, and for a new one to 1, or 16 on a Cluster.
	Shards int

	// WaitReplicas is how many replicas must have received what Publish stores
	// before it returns. If they do not in WaitTimeout, Publish fails, and to
	// publish again is safe. This narrows what a failover can lose to what was not
	// published through here. Defaults to 0.
	WaitReplicas int

	// WaitTimeout bounds the wait for replicas. Defaults to 1 second.
	WaitTimeout time.Duration

	// InsecureAllowEviction accepts a Redis that may evict keys, or does not say
	// whether it does. Deliveries can then be lost.
	InsecureAllowEviction bool

	// AllowUnknownVersion accepts a Redis that does not tell its version. One that
	// tells an old one is refused all the same.
	AllowUnknownVersion bool

	// Now replaces the server's clock; it is read to the millisecond. It is for
	// tests: processes that share a store must agree on the time. Defaults to the
	// server's clock.
	Now func() time.Time
}

const (
	defaultPrefix        = "wh"
	defaultClusterShards = 16
	maxShards            = 256
)

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.WaitTimeout <= 0 {
		o.WaitTimeout = time.Second
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if strings.ContainsAny(o.Prefix, "{} \t\r\n") {
		errs = append(errs, fmt.Errorf("prefix %q: must not contain braces or spaces", o.Prefix))
	}
	if o.Shards < 0 || o.Shards > maxShards {
		errs = append(errs, fmt.Errorf("shards %d: must be from 1 to %d", o.Shards, maxShards))
	}
	if o.WaitReplicas < 0 {
		errs = append(errs, fmt.Errorf("wait replicas %d: must not be negative", o.WaitReplicas))
	}
	return errors.Join(errs...)
}

// Store keeps everything in Redis. It is safe for concurrent use and needs no
// closing; the client belongs to the caller.
type Store struct {
	client  redis.UniversalClient
	opts    Options
	scripts scripts
	layout  layout
	shards  []shard

	turn    atomic.Int64 // where the next claim begins
	jobTurn atomic.Int64 // and the next one of jobs
	fitness fitness
	away    absences
}

var _ store.Store = (*Store)(nil)

// boundsCalls reports whether the end of a context ends a call of the client.
// Without it, a node that hangs would hold up everybody who asks it. A wrapper is
// taken at its word.
func boundsCalls(client redis.UniversalClient) bool {
	switch c := client.(type) {
	case *redis.Client:
		return c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		return c.Options().ContextTimeoutEnabled
	default:
		return true
	}
}

// Open returns a store in the Redis that client leads to, whose options must have
// ContextTimeoutEnabled set. A nil opts is the default. It checks that the Redis is
// fit for the store: its version, that it evicts nothing, and the layout of what is
// stored. Each error names the remedy.
func Open(ctx context.Context, client redis.UniversalClient, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o = o.withDefaults()
	err := o.validate()
	switch client.(type) {
	case nil:
		err = errors.Join(errors.New("client: must not be nil"), err)
	case *redis.Ring:
		err = errors.Join(errors.New("client: a Ring loses keys when its nodes change; use a Cluster"), err)
	}
	if client != nil && !boundsCalls(client) {
		err = errors.Join(errors.New("client: set ContextTimeoutEnabled in its options, or calls outlast their contexts"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("redisstore: open: %w", err)
	}
	s := &Store{client: client, opts: o, scripts: ownScripts(), away: absences{until: map[int]time.Time{}}}
	if err := s.checkServers(ctx); err != nil {
		return nil, fmt.Errorf("redisstore: open: %w", err)
	}
	if s.layout, err = s.checkLayout(ctx); err != nil {
		return nil, fmt.Errorf("redisstore: open: %w", err)
	}
	s.shards = makeShards(o.Prefix, s.layout)
	s.fitness.at = time.Now()
	return s, nil
}
