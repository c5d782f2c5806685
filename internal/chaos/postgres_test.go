//go:build chaos

package chaos_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/sqlstore"
)

// postgresLease is longer than a result takes to get past everybody's locks, on a machine
// that is busy with other things.
const postgresLease = 4 * time.Second

// sceneOfPostgres starts a PostgreSQL and a receiver, and a world on them. A nil rng makes
// a receiver without faults.
func sceneOfPostgres(t *testing.T, rng *rand.Rand) (*world, *postgres, setup) {
	t.Helper()
	server := startPostgres(t)
	db := server.connect(t, "")
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, sqlstore.Migrate(t.Context(), db, nil))
	st, err := sqlstore.Open(t.Context(), db, nil)
	require.NoError(t, err)
	s := setup{
		Postgres: server.url, Workers: workers,
		Concurrency: concurrency, PerWebhook: 2 * concurrency, AttemptTimeout: attemptTimeout, Lease: postgresLease,
		Delays: []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond}, MaxAttempts: 50,
	}
	return newWorldIn(t, st, newReceiver(t, rng, attemptTimeout), merchants, hooks), server, s
}

// TestPostgresKilledAndStopped breaks everything around a store in PostgreSQL under load:
// workers, the server, which stays away for ten seconds the first time, and single
// statements and connections, which by themselves cause no second delivery.
//
//nolint:paralleltest // each has the machine to itself
func TestPostgresKilledAndStopped(t *testing.T) {
	const events, over = 5000, 8 * time.Second
	rng := rand.New(rand.NewPCG(seed(t), 3))
	w, server, s := sceneOfPostgres(t, rand.New(rand.NewPCG(rng.Uint64(), 1)))
	b := &breaker{
		t: t, setup: s, server: server, db: server.connect(t, "breaker"), rng: rng, crew: startWorkers(t, s),
		away: span(t, "WEBHOOK_CHAOS_AWAY", 10*time.Second),
	}
	t.Cleanup(func() { require.NoError(t, b.db.Close()) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.publish(t.Context(), over/events, times(events))
	}()
	pest := newPest(t, server, rng.Uint64())
	b.breakAll(over)
	<-done
	pest.end()
	last := time.Now()
	w.settled(postgresLease + 10*time.Second)
	t.Logf("settled %.1fs after the last publication", time.Since(last).Seconds())
	for _, c := range b.crew {
		require.Less(t, c.megabytes(t), 256)
		c.stop(t)
	}
	w.check()
	require.Len(t, w.acked, events)
	second, _ := w.receiver.repeats()
	deadlocks := server.logged(t, "ERROR:  deadlock detected")
	t.Logf("second deliveries: %d of at most %d; publishes repeated: %d", second, b.bound, w.tries.Load())
	t.Logf("statements cancelled: %d; connections cut: %d; deadlocks: %d", pest.cancelled, pest.cut, deadlocks)
	require.LessOrEqual(t, second, b.bound)
	require.Positive(t, pest.cancelled)
	require.Positive(t, pest.cut)
	require.Positive(t, deadlocks)
}

// breaker kills and stops what deliveries need.
type breaker struct {
	t      *testing.T
	setup  setup
	server *postgres
	db     *sql.DB
	rng    *rand.Rand
	crew   []*worker
	away   time.Duration // of the server, the first time
	bound  int           // what was in flight at the faults

	asleep sync.WaitGroup
}

// breakAll kills 5 workers and the server 3 times, and twice stops a worker for longer than
// a lease, in a random order.
func (b *breaker) breakAll(over time.Duration) {
	faults := slices.Concat(slices.Repeat([]func(victim int){b.killWorker}, 5),
		slices.Repeat([]func(int){b.killServer}, 3), slices.Repeat([]func(int){b.stopWorker}, 2))
	b.rng.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	for _, fault := range faults {
		pass(b.t, time.Duration((0.5+b.rng.Float64())*float64(over)/float64(len(faults))))
		fault(1 + b.rng.IntN(len(b.crew)-1))
	}
	b.asleep.Wait()
}

func (b *breaker) killWorker(victim int) {
	_, most := b.inFlight()
	b.note("a worker is killed", most)
	b.crew[victim].kill(b.t)
	b.crew[victim] = startWorker(b.t, b.setup)
}

// stopWorker stops the first worker, which nobody kills.
func (b *breaker) stopWorker(int) {
	b.asleep.Wait()
	_, most := b.inFlight()
	b.note("a worker is stopped", most)
	stopped := b.crew[0]
	stopped.signal(b.t, syscall.SIGSTOP)
	b.asleep.Go(func() {
		<-time.After(b.setup.Lease + 500*time.Millisecond)
		_ = stopped.cmd.Process.Signal(syscall.SIGCONT)
	})
}

func (b *breaker) killServer(witness int) {
	all, _ := b.inFlight()
	b.note("the server is killed", all)
	b.server.kill(b.t)
	began := b.crew[witness].cpu(b.t)
	pass(b.t, b.away)
	used := b.crew[witness].cpu(b.t) - began
	if b.away > time.Second {
		b.t.Logf("a worker used %s of CPU while the server was away for %s", used, b.away)
		require.Less(b.t, used, b.away/5, "no spinning")
	}
	b.away = 200 * time.Millisecond
	b.server.start(b.t)
}

func (b *breaker) note(what string, inFlight int) {
	b.t.Logf("%s with %d deliveries in flight", what, inFlight)
	b.bound += inFlight
}

// inFlight counts the leases of all workers, and of the one that has most: what is on the
// wire, or waits for it, or has a result that the store does not know yet.
func (b *breaker) inFlight() (all, most int) {
	b.t.Helper()
	err := b.db.QueryRowContext(b.t.Context(), `select coalesce(sum(n), 0), coalesce(max(n), 0) from (
		select count(*) n from webhooks.queue where lease is not null group by regexp_replace(key, '_[0-9]+$', '')) a`).Scan(&all, &most)
	require.NoError(b.t, err)
	return all, most
}

// pest goes for single calls: it cancels statements, cuts connections, and holds locks in
// the order that makes deadlocks, which it never is the one to end.
type pest struct {
	stop context.CancelFunc
	done sync.WaitGroup

	cancelled, cut int // once ended
}

func newPest(t *testing.T, server *postgres, seed uint64) *pest {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	p := &pest{stop: stop}
	db := server.connect(t, "pest")
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	rng := rand.New(rand.NewPCG(seed, 4))
	often := func(every time.Duration, do func()) {
		p.done.Go(func() {
			for ctx.Err() == nil {
				do() // It fails while the server is away.
				select {
				case <-ctx.Done():
				case <-time.After(every):
				}
			}
		})
	}
	often(200*time.Millisecond, func() {
		if rng.IntN(4) == 0 {
			p.cut += strike(ctx, db, "pg_terminate_backend", "true")
		} else {
			p.cancelled += strike(ctx, db, "pg_cancel_backend", "state = 'active'")
		}
	})
	often(500*time.Millisecond, func() { _ = lockBackwards(ctx, db) })
	return p
}

func (p *pest) end() {
	p.stop()
	p.done.Wait()
}

// strike does something to one of the others' connections, and says to how many.
func strike(ctx context.Context, db *sql.DB, what, which string) (n int) {
	_ = db.QueryRowContext(ctx, `select count(*) filter (where `+what+`(a.pid)) from (select pid from pg_stat_activity
		where backend_type = 'client backend' and application_name = '' and `+which+`
		order by random() limit 1) a`).Scan(&n) // The server may be away.
	return n
}

// lockBackwards locks webhooks in the order in which no call does. The server ends a
// deadlock in the call that has waited for 50 ms, so never in this one.
func lockBackwards(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // Nothing was changed.
	if _, err = tx.ExecContext(ctx, "set local deadlock_timeout = '1min'"); err != nil {
		return err
	}
	for wh := merchants * hooks; wh > 0 && err == nil; wh-- {
		_, err = tx.ExecContext(ctx, "select from webhooks.ready where wh = $1 for no key update", wh)
	}
	return err
}
