package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/inbox"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// vendor is a sender whose every body is event "evt_1".
type vendor struct{}

func (vendor) Verify(_ http.Header, body []byte) (event.Event, error) {
	return event.ParseStandard(body, "evt_1", time.Time{})
}

// desk is an inbox whose handler is called with its transaction, in which it has made an effect.
type desk struct {
	*inbox.Inbox

	receive http.Handler
	settled chan webhook.SettledInfo
	effects func() (n int)
}

func newDesk(t *testing.T, st store.Store, db *sql.DB, handle func(ctx context.Context, tx *sql.Tx) error) desk {
	t.Helper()
	table := "effects_" + strings.ToLower(strings.ReplaceAll(t.Name()[strings.Index(t.Name(), "/")+1:], "/", "_"))
	_, err := db.ExecContext(t.Context(), "create table "+table+" (event text)")
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = db.Exec("drop table " + table) })
	mux := receiver.NewMux()
	mux.Handle("*", func(ctx context.Context, e event.Event) error {
		within, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel() // The transaction goes on.
		tx, err := inbox.Tx(within)
		if err != nil {
			return err
		}
		again, err := inbox.Tx(ctx)
		require.NoError(t, err)
		require.Same(t, tx, again)
		if _, err := tx.ExecContext(ctx, "insert into "+table+" values ($1)", e.ID); err != nil {
			return err
		}
		return handle(ctx, tx)
	})
	d := desk{settled: make(chan webhook.SettledInfo, 10)}
	d.effects = func() (n int) {
		require.NoError(t, db.QueryRowContext(t.Context(), "select count(*) from "+table).Scan(&n))
		return n
	}
	d.Inbox, err = inbox.New(st, mux, &inbox.Options{
		Retry:  retry.Policy{Delays: []time.Duration{time.Millisecond}, MaxAttempts: 3},
		Engine: webhook.Observer{Settled: func(_ context.Context, i webhook.SettledInfo) { d.settled <- i }},
	})
	require.NoError(t, err)
	d.receive, err = d.Handler("vendor", vendor{}, nil)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"type":"a"}`))
	r.Header.Set("Content-Type", "application/json")
	d.receive.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	return d
}

// run has events handled until n deliveries have ended, and returns the codes of all attempts.
func (d desk) run(t *testing.T, n int) (codes []int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	for n > 0 {
		i := <-d.settled
		codes = append(codes, i.StatusCode)
		if i.Status != webhook.DeliveryPending {
			n--
		}
	}
	cancel()
	require.NoError(t, <-done)
	return codes
}

// What a handler does in its transaction is done once or never, however its first call ends.
func TestInboxTx(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, tt := range []struct {
		name    string
		end     func(tx *sql.Tx) error
		codes   []int
		effects int
	}{
		{"succeeds", func(*sql.Tx) error { return nil }, []int{200}, 1},
		{"fails", func(*sql.Tx) error { return broken }, []int{500, 200}, 1},
		{"panics", func(*sql.Tx) error { panic(broken) }, []int{500, 200}, 1},
		{"acknowledges", func(*sql.Tx) error { return receiver.Acknowledge(broken) }, []int{200}, 1},
		{"never", func(*sql.Tx) error { return receiver.Never(broken) }, []int{422}, 0},
		{"answer_of_the_commit_lost", (*sql.Tx).Commit, []int{500, 200}, 1},
		{"rolled_back_behind_our_back", (*sql.Tx).Rollback, []int{500, 200}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bothDatabases(t, 1, func(t *testing.T, db *sql.DB, open opening) {
				t.Helper()
				var calls atomic.Int32
				d := newDesk(t, open(nil), db, func(_ context.Context, tx *sql.Tx) error {
					if calls.Add(1) == 1 {
						return tt.end(tx)
					}
					return nil
				})
				require.Equal(t, tt.codes, d.run(t, 1))
				require.Equal(t, tt.effects, d.effects())
			})
		})
	}
}

// forgetful is a store whose memory is gone: all events are new to it.
type forgetful struct{ transactor }

type transactor interface {
	store.Store
	BeginOnce(ctx context.Context, scope, id string, keep time.Duration) (*sql.Tx, bool, error)
}

func (forgetful) BeginSeen(context.Context, string, string, store.SeenBegin) (store.SeenAnswer, error) {
	return store.SeenAnswer{State: store.SeenNew}, nil
}

// Two deliveries of an event are handled at once: the second one waits for the first, and finds
// its mark.
func TestInboxTxOfTwoAtOnce(t *testing.T) {
	t.Parallel()
	bothDatabases(t, 4, func(t *testing.T, db *sql.DB, open opening) {
		t.Helper()
		st := open(nil)
		var calls atomic.Int32
		d := newDesk(t, forgetful{st}, db, func(context.Context, *sql.Tx) error {
			calls.Add(1)
			return nil
		})
		answers, err := st.Enqueue(t.Context(), "vendor", d.WebhookID("vendor"), []string{"evt_1"}, "again", 0)
		require.NoError(t, err)
		require.NotEmpty(t, answers[0].DeliveryID)
		require.Equal(t, []int{200, 200}, d.run(t, 2))
		require.EqualValues(t, 1, calls.Load())
		require.Equal(t, 1, d.effects())
	})
}
