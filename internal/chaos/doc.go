// Package chaos breaks what deliveries depend on while they are on their way. It
// requires that no acknowledged event is lost, that nothing is delivered that was not
// published, that no invariant of the store is broken, and that there are no more
// second deliveries than requests on the wire when something died.
//
// It needs a redis-server on PATH. The short run takes a good minute:
//
//	make chaos
//
// Worker processes and a Redis with an append-only file die by SIGKILL, workers
// are stopped for longer than their leases, and the receiver is slow, fails, and
// breaks connections off after it has processed an event. Redis is reached over a slow
// link, goes by a clock that jumps, has records damaged, and is emptied. The long run
// takes about ten minutes and writes docs/chaos.md:
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
