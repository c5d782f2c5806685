// Package chaos breaks what deliveries depend on while they are on their way. It
// requires that no acknowledged event is lost, that nothing is delivered that was not
// published, that no invariant of the store is broken, and that there are no more
// second deliveries than requests on the wire when something died.
//
// It needs a redis-server on PATH and a PostgreSQL, and is a module of its own for the
// sake of the latter's driver. The short run takes some two minutes:
//
//	make chaos
//
// Worker processes and a Redis with an append-only file die by SIGKILL, workers
// are stopped for longer than their leases, and the receiver is slow, fails, and
// breaks connections off after it has processed an event. Redis is reached over a slow
// link, goes by a clock that jumps, has records damaged, and is emptied. PostgreSQL
// crashes and stays away, statements are cancelled, connections cut, deadlocks made. Receivers
// with an inbox die after they have acknowledged an event, and before, in and after its handler. In
// fake time, with a store in memory, there is no resolver for an hour, and a merchant
// does his worst to the others. The long run takes about ten minutes and writes
// docs/chaos.md:
//
//	make chaos-long
//
// It adds a network that hangs or loses replies, endpoints that hang or stay down,
// failovers to a replica, and slots of a Cluster that move. WEBHOOK_CHAOS_LONG is the
// length of its first part, five minutes by default.
//
// The seed of a run is printed; WEBHOOK_CHAOS_SEED repeats it, as far as the
// machine's timing allows.
package chaos
