// Package redisstore keeps the state of the webhook service in Redis 6.2 or
// later: one server, a Sentinel group or a Cluster. Any number of processes may
// share it.
//
//	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
//	st, err := redisstore.Open(ctx, client, nil)
//	if err != nil {
//		return err
//	}
//	svc, err := webhook.NewService(st, nil)
//
// # Guarantees
//
// Every method is one Lua script per shard, and so happens whole or not at all. Large
// batches, large claims, EventDeliveries and the retention of large amounts take several. Scripts may
// be sent again after a lost reply. When Redis has no memory left, Publish fails whole
// and what is queued is still delivered.
//
// What Redis has acknowledged is as durable as Redis is: see [Store.Info]. With
// appendfsync always nothing is lost; with everysec a loss of power can cost the
// last two seconds, and so can a crash of Redis while the disk is slow, since it
// then acknowledges what it has not written yet; a failover can cost what the
// replica had not received, which [Options.WaitReplicas] narrows. At least once
// holds for all that is kept.
//
// # Layout
//
// A merchant's records share a shard, which is a hash tag such as {03}, so that
// an event and its deliveries are stored in one step on a Cluster too. The number
// of shards is fixed when the store is first used. An event's body is stored
// once. lua/lib.lua lists the keys.
//
// # Limits
//
//   - The maxmemory-policy must be noeviction, since a store that loses keys
//     loses deliveries.
//   - Scripts make the names of keys, all with the shard's hash tag. Proxies that
//     want every key declared do not work.
//   - While a Cluster moves a slot, calls for the merchants of its shard fail and
//     change nothing. What fails is tried again by a dispatcher, and must be by
//     who publishes.
//   - The events of one merchant go to one shard, so a merchant is bound to one
//     node of a Cluster.
//   - A page of Deliveries or Events looks at a thousand of them at most, a page of
//     ListWebhooks or Troubled at a hundred.
//   - A Claim with a Key in a store of several shards begins at a shard that the key
//     names. If that is out of reach, the claim cannot be asked for again.
//   - Processes that claim with different ClaimRequest.PerWebhook work, but each
//     change costs a look at every webhook that has something to deliver.
package redisstore
