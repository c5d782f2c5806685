//go:build chaos

package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/store/sqlstore"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/inbox"
	typed "github.com/rag-assistant/webhooks/webhook/receiver"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

// letters is a sender, and the workers that it sends to.
type letters struct {
	*world

	setup setup
	crew  []*worker
	kills int // of workers, by themselves and by others
}

const (
	lettersSent   = 200
	lettersOver   = 2 * time.Second
	lettersDeaths = 2 // for each moment
	lettersHands  = 8 // handlers of each worker
)

// newLetters starts workers with an inbox in a store, whose handlers post their effects, if
// there is where to.
func newLetters(t *testing.T, st judged, s setup, effects string) *letters {
	t.Helper()
	s.Workers, s.Concurrency, s.PerWebhook = workers, lettersHands, workers*lettersHands
	s.AttemptTimeout, s.Lease = 500*time.Millisecond, 2*time.Second
	s.Delays, s.MaxAttempts = []time.Duration{50 * time.Millisecond, 200 * time.Millisecond}, 100
	s.Inbox = receiving{Secret: signer.NewSecret().Reveal(), Effects: effects, Deaths: t.TempDir()}
	in, err := inbox.New(st, typed.NewMux(), nil)
	require.NoError(t, err)
	l := &letters{setup: s, world: &world{
		t: t, store: st, svc: in.Service(), hooks: map[string][]string{source: {in.WebhookID(source)}},
	}}
	for i := range s.Workers {
		l.crew = append(l.crew, startWorker(t, l.of(i)))
	}
	return l
}

// of is the setup of one worker.
func (l *letters) of(i int) setup {
	s := l.setup
	s.Inbox.Listen = filepath.Join(s.Inbox.Deaths, fmt.Sprint(".", i))
	return s
}

func moments() []string { return []string{acknowledged, begun, effected, returned} }

// ids are those of all events. Some have their worker killed.
func (l *letters) ids(rng *rand.Rand) []string {
	out := make([]string, lettersSent)
	moments := moments()
	for i := range out {
		out[i] = fmt.Sprint("evt_", i)
		if i < len(moments)*lettersDeaths {
			out[i] = fmt.Sprint(moments[i%len(moments)], "_", i)
		}
	}
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// send posts events until each is answered with 2xx, to one worker after the other.
func (l *letters) send(ids []string) {
	tick := time.NewTicker(lettersOver / lettersSent)
	defer tick.Stop()
	var all sync.WaitGroup
	for i, id := range ids {
		<-tick.C
		all.Go(func() {
			for to := i; !l.sendTo(to%workers, id) && l.t.Context().Err() == nil; to++ {
				<-time.After(20 * time.Millisecond)
			}
		})
	}
	all.Wait()
}

func (l *letters) sendTo(worker int, id string) bool {
	ctx, cancel := context.WithTimeout(l.t.Context(), 3*time.Second)
	defer cancel()
	e := event.New(event.DocumentCreated{DocumentID: id, Title: "Chaos"})
	e.ID = id
	req := webhooktest.Request(l.t, l.setup.Inbox.Secret, e, nil).WithContext(ctx)
	req.URL.Scheme, req.URL.Host, req.RequestURI = "http", "worker", ""
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", l.of(worker).Inbox.Listen)
	}}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode/100 == 2
}

// revive starts those again that have died.
func (l *letters) revive() {
	for i, c := range l.crew {
		select {
		case <-c.done:
			l.kills++
			l.crew[i] = startWorker(l.t, l.of(i))
		default:
		}
	}
}

// run sends all events, kills workers at random moments too, breaks the store
// meanwhile, and waits until all is handled. Then it requires that nothing has failed.
func (l *letters) run(rng *rand.Rand, breakStore func()) {
	t := l.t
	sent := make(chan struct{})
	ids := l.ids(rng)
	go func() {
		defer close(sent)
		l.send(ids)
	}()
	const ticks = 20
	for i := range ticks {
		pass(t, lettersOver/ticks)
		switch {
		case i == ticks/3:
			breakStore()
		case i%8 == 5:
			_ = l.crew[rng.IntN(workers)].cmd.Process.Signal(syscall.SIGKILL) // It may have died by itself.
		}
		l.revive()
	}
	began := time.Now()
	for done := false; !done || l.stats().Pending > 0; {
		require.Less(t, time.Since(began), time.Minute, "%+v", l.stats())
		pass(t, 20*time.Millisecond)
		l.revive()
		select {
		case <-sent:
			done = true
		default:
		}
	}
	for _, c := range l.crew {
		c.stop(t)
	}
	t.Logf("settled %.1fs later; workers killed: %d", time.Since(began).Seconds(), l.kills)
	require.NoError(t, l.store.Audit(t.Context()))
	stats := l.stats()
	require.EqualValues(t, lettersSent, stats.Total)
	require.EqualValues(t, lettersSent, stats.Succeeded)
	deaths, err := filepath.Glob(filepath.Join(l.setup.Inbox.Deaths, "*_*"))
	require.NoError(t, err)
	require.Len(t, deaths, len(moments())*lettersDeaths, "every moment was one of death")
}

// TestInboxInRedis: every event that was acknowledged is handled, and what is handled twice was on
// its way when something died.
//
//nolint:paralleltest // each has the machine to itself
func TestInboxInRedis(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 5))
	var mu sync.Mutex
	effects, all := map[string]int{}, 0
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var id string
		if json.NewDecoder(r.Body).Decode(&id) == nil {
			mu.Lock()
			defer mu.Unlock()
			effects[id]++
			all++
		}
	}))
	defer target.Close()
	server := redistest.Start(t, "appendonly yes", "appendfsync no")
	s := setup{Redis: address{Addrs: []string{server.Addr}}}
	client := s.Redis.connect()
	t.Cleanup(func() { _ = client.Close() })
	st, err := redisstore.Open(t.Context(), client, nil)
	require.NoError(t, err)
	l := newLetters(t, st, s, target.URL)
	l.run(rng, func() {
		server.Kill(t)
		pass(t, 200*time.Millisecond)
		server.Restart(t)
	})
	require.Len(t, effects, lettersSent)
	bound := (l.kills + workers) * lettersHands
	t.Logf("handled again: %d of at most %d", all-lettersSent, bound)
	require.GreaterOrEqual(t, all-lettersSent, lettersDeaths, "who dies after an effect makes it again")
	require.LessOrEqual(t, all-lettersSent, bound)
}

// TestInboxInPostgres: every event that was acknowledged has its effect exactly once.
//
//nolint:paralleltest // each has the machine to itself
func TestInboxInPostgres(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 6))
	server := startPostgres(t)
	db := server.connect(t, "")
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, sqlstore.Migrate(t.Context(), db, nil))
	st, err := sqlstore.Open(t.Context(), db, nil)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "create table effects (event text)")
	require.NoError(t, err)
	l := newLetters(t, st, setup{Postgres: server.url}, "")
	l.run(rng, func() {
		server.kill(t)
		pass(t, 200*time.Millisecond)
		server.start(t)
	})
	var all, events int
	require.NoError(t, db.QueryRowContext(t.Context(), "select count(*), count(distinct event) from effects").Scan(&all, &events))
	require.Equal(t, lettersSent, events)
	require.Equal(t, lettersSent, all)
}
