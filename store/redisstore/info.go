package redisstore

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store"
)

// Info describes the Redis behind a store, for a start-up log or a status page.
type Info struct {
	Version  string // of the server, empty if it hides it
	Shards   int
	Replicas int // connected now, of the node that has the fewest

	// Damaged names what was found unreadable and set aside, at most a hundred of each
	// shard. Delete the keys that end in ":bad" once you have seen to them.
	Damaged []store.Damage

	// Durability says in words what can be lost when.
	Durability string
}

// Info asks Redis how it keeps what it acknowledges.
func (s *Store) Info(ctx context.Context) (Info, error) {
	out := Info{Shards: len(s.shards), Replicas: -1}
	var worst persistence
	seen := map[string]bool{}
	for _, h := range s.shards {
		bad, err := s.client.HGetAll(ctx, h.prefix+"bad").Result()
		if err != nil {
			return Info{}, unanswered("info", err)
		}
		for what, note := range bad {
			out.Damaged = append(out.Damaged, h.damage(what, note))
		}
		node, name, err := s.node(ctx, h)
		if err != nil {
			return Info{}, fmt.Errorf("redisstore: info: %w", err)
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		info, err := node.Info(ctx).Result()
		if err != nil {
			return Info{}, fmt.Errorf("redisstore: info: %w", err)
		}
		out.Version = infoField(info, "redis_version")
		if n, err := strconv.Atoi(infoField(info, "connected_slaves")); err == nil && (out.Replicas < 0 || n < out.Replicas) {
			out.Replicas = n
		}
		worst = max(worst, persistenceOf(ctx, node, info))
	}
	slices.SortFunc(out.Damaged, func(a, b store.Damage) int { return a.At.Compare(b.At) })
	out.Replicas = max(out.Replicas, 0)
	out.Durability = worst.String() + "; " + s.failover(out.Replicas)
	return out, nil
}

// damage reads what a script has noted: see bad in lua/lib.lua.
func (h shard) damage(what, note string) store.Damage {
	u := unpacker{rest: note}
	d := store.Damage{At: u.time(), MerchantID: u.text(2), WebhookID: u.text(2), How: u.text(2)}
	if field, ok := strings.CutPrefix(what, "delivery "); ok {
		n, seq, _ := strings.Cut(field, ":")
		d.DeliveryID = h.deliveryID(integer(n), integer(seq))
		what = "delivery " + d.DeliveryID
	}
	if field, ok := strings.CutPrefix(what, "event "); ok {
		_, d.EventID = ofMerchant(field)
	}
	if field, ok := strings.CutPrefix(what, "job "); ok {
		d.MerchantID, _ = ofMerchant(field)
	}
	d.What = what + " in " + h.prefix
	return d
}

// ofMerchant cuts the name of a merchant's record into the two ids, which are escaped there.
func ofMerchant(name string) (merchantID, id string) {
	m, i, _ := strings.Cut(name, ":")
	merchantID, _ = url.PathUnescape(m) // It is empty if that is damaged too.
	id, _ = url.PathUnescape(i)
	return merchantID, id
}

// node returns the node that a shard is on, and its name.
func (s *Store) node(ctx context.Context, h shard) (redis.Cmdable, string, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.client, "", nil
	}
	master, err := cluster.MasterForKey(ctx, h.id)
	if err != nil {
		return nil, "", err
	}
	return master, master.Options().Addr, nil
}

// persistence is how a node keeps what it acknowledges, worse ones higher.
type persistence int

const (
	fsyncAlways persistence = iota + 1
	fsyncEverySecond
	fsyncUnknown
	fsyncNever
	noAppendOnly
)

func persistenceOf(ctx context.Context, node redis.Cmdable, info string) persistence {
	if infoField(info, "aof_enabled") == "0" {
		return noAppendOnly
	}
	answer, err := node.ConfigGet(ctx, "appendfsync").Result()
	switch {
	case err != nil:
		return fsyncUnknown
	case answer["appendfsync"] == "always":
		return fsyncAlways
	case answer["appendfsync"] == "everysec":
		return fsyncEverySecond
	case answer["appendfsync"] == "no":
		return fsyncNever
	default:
		return fsyncUnknown
	}
}

func (p persistence) String() string {
	switch p {
	case fsyncAlways:
		return "appendfsync always: nothing is lost when a process or the power fails"
	case fsyncEverySecond:
		return "appendfsync everysec: up to two seconds are lost when the power fails, and when the process fails while the disk is slow"
	case fsyncNever:
		return "appendfsync no: nothing is lost when the process fails, up to half a minute when the power does"
	case noAppendOnly:
		return "no append-only file: a restart loses what came after the last snapshot, or everything"
	default:
		return "appendfsync is hidden: ask whoever runs this Redis"
	}
}

func (s *Store) failover(replicas int) string {
	switch {
	case replicas == 0:
		return "no replica: without the node there is no service"
	case s.opts.WaitReplicas > 0:
		return fmt.Sprintf("%d replicas, and Publish waits for %d: a failover loses no event unless they all fail", replicas, s.opts.WaitReplicas)
	default:
		return fmt.Sprintf("%d replicas, behind by their lag: a failover loses what they had not received", replicas)
	}
}
