//go:build !race

package sqltest_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
)

// published is how many events a child publishes in each of its goroutines.
const published = 500

// child publishes in four goroutines, and claims and finishes in a fifth. It prints a line
// for all that was acknowledged: "p" and an event, "f" and an event.
func child(file, name string) error {
	db, err := sql.Open("sqlite", sqltest.DSN(file))
	if err != nil {
		return err
	}
	st, err := sqlstore.Open(context.Background(), db, nil)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	errs := make(chan error, 5)
	for g := range 4 {
		all.Go(func() { errs <- childPublishes(st, fmt.Sprint(name, "-", g)) })
	}
	publishing := make(chan struct{})
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		errs <- childDelivers(st, publishing)
	}()
	all.Wait()
	close(publishing)
	<-delivered
	for range 5 {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func childPublishes(st store.Publisher, name string) error {
	for i := range published {
		id := fmt.Sprint("evt_", name, "-", i)
		if _, err := st.Publish(context.Background(), "m", []store.NewEvent{newEvent(id, "p")}); err != nil {
			return err
		}
		fmt.Println("p", id)
	}
	return nil
}

// childDelivers goes on until publishing has ended and nothing is left.
func childDelivers(st *sqlstore.Store, publishing chan struct{}) error {
	ctx := context.Background()
	for {
		c, err := st.Claim(ctx, store.ClaimRequest{Limit: 20, Lease: time.Minute, PerWebhook: 1000})
		if err != nil {
			return err
		}
		results := make([]store.Result, len(c.Leases))
		for i, l := range c.Leases {
			results[i] = store.Result{MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token, Outcome: store.Succeeded}
		}
		out, err := st.Finish(ctx, results)
		if err != nil {
			return err
		}
		for i, l := range c.Leases {
			if out[i].State != store.FinishAccepted {
				return fmt.Errorf("%s: %s", l.EventID, out[i].State)
			}
			fmt.Println("f", l.EventID)
		}
		select {
		case <-publishing:
			if len(c.Leases) == 0 {
				return nil
			}
		default:
		}
	}
}

// ledger is what children have said.
type ledger struct {
	mu                  sync.Mutex
	published, finished []string
}

func (l *ledger) note(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch what, id, ok := strings.Cut(line, " "); {
	case ok && what == "p":
		l.published = append(l.published, id)
	case ok && what == "f":
		l.finished = append(l.finished, id)
	}
}

// start runs a child and returns its output.
func start(t *testing.T, file, name string) (*exec.Cmd, io.Reader) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], name)
	c.Env = append(os.Environ(), childVariable+"="+file)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	return c, out
}

// newFile makes a store with a webhook "whk" of merchant "m".
func newFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "webhooks.db")
	newShopIn(t, sqltest.SQLiteFile(t, file, 1))
	return file
}

// check looks at a store whose leases have all ended: what was acknowledged is there, each
// event is delivered once, and the counters are those of the records.
func (l *ledger) check(t *testing.T, file string) {
	t.Helper()
	db := sqltest.SQLiteFile(t, file, 4)
	var verdict string
	require.NoError(t, db.QueryRowContext(t.Context(), "pragma integrity_check").Scan(&verdict))
	require.Equal(t, "ok", verdict)
	s := shop{t, sqltest.OpenSQLite(t, db, func() time.Time { return time.Now().Add(time.Hour) }), db, ""}

	rest := s.claim()
	left := make(map[string]bool, len(rest))
	for _, id := range rest {
		require.False(t, left[id], "one delivery was leased twice")
		left[id] = true
	}
	for _, id := range l.finished {
		require.False(t, left[id], "%s is pending, and its success was acknowledged", id)
	}
	stats, err := s.Stats(t.Context(), "m", "whk")
	require.NoError(t, err)
	require.EqualValues(t, len(rest), stats.Pending)
	require.Equal(t, stats.Succeeded, stats.Attempts)
	require.GreaterOrEqual(t, int(stats.Total), len(l.published))
	require.GreaterOrEqual(t, int(stats.Succeeded), len(l.finished))
	for _, id := range l.published {
		_, err := s.Event(t.Context(), "m", id)
		require.NoError(t, err, "%s was acknowledged", id)
	}
}

func TestKilledProcessOfSQLite(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	var l ledger
	for round := range 50 {
		c, out := start(t, file, fmt.Sprint(round))
		lines := bufio.NewScanner(out)
		for range 1 + rand.IntN(300) {
			if !lines.Scan() {
				break
			}
			l.note(lines.Text())
		}
		require.NoError(t, c.Process.Kill())
		for lines.Scan() { // What it had written when it died.
			l.note(lines.Text())
		}
		_ = c.Wait() // It was killed.
	}
	t.Logf("%d events and %d results were acknowledged", len(l.published), len(l.finished))
	require.NotEmpty(t, l.finished)
	l.check(t, file)
}

func TestTwoProcessesOfSQLite(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	var l ledger
	var all sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		c, out := start(t, file, name)
		all.Go(func() {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				l.note(lines.Text())
			}
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Len(t, l.published, 2*4*published)
	l.check(t, file)
}
