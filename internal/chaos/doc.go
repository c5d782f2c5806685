// Package chaos kills what a delivery depends on while it is on its way, and
// counts: worker processes and a Redis with an append-only file die by SIGKILL,
// workers are stopped for longer than their leases, and the receiver is slow,
// fails, and breaks connections off after it has processed an event. Nothing may
// be lost, no invariant of the store be broken, and there may be no more second
// deliveries than were on the wire when something died.
//
// It needs a redis-server on PATH and runs with
//
//	make chaos
//
// The seed of a run is printed; WEBHOOK_CHAOS_SEED repeats it, as far as the
// machine's timing allows.
package chaos
