package sqltest_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
)

// shop is a host with a webhook "whk" of merchant "m".
type shop struct {
	*testing.T
	*sqlstore.Store

	db     *sql.DB
	schema string
}

func newShop(t *testing.T, db *sql.DB) shop {
	t.Helper()
	st, schema := sqltest.OpenSchema(t, db, nil)
	s := shop{t, st, db, schema}
	_, err := s.CreateWebhook(t.Context(), "m", store.Webhook{ID: "whk", Events: []string{"*"}, Status: store.Active}, 0)
	require.NoError(t, err)
	return s
}

func (s shop) begin(level sql.IsolationLevel) *sql.Tx {
	s.Helper()
	tx, err := s.db.BeginTx(s.Context(), &sql.TxOptions{Isolation: level})
	require.NoError(s, err)
	s.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func newEvent(id, mark string) store.NewEvent {
	return store.NewEvent{ID: id, Type: "a", Body: []byte(`{}`), Fingerprint: mark}
}

func (s shop) publish(to store.Publisher, events ...store.NewEvent) []store.Published {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	out, err := to.Publish(ctx, "m", events)
	require.NoError(s, err)
	return out
}

// claim claims until nothing is left, and returns the events.
func (s shop) claim() []string {
	s.Helper()
	var out []string
	for {
		c, err := s.Claim(s.Context(), store.ClaimRequest{Limit: 100, Lease: time.Minute, PerWebhook: 100_000})
		require.NoError(s, err)
		for _, l := range c.Leases {
			out = append(out, l.EventID)
		}
		if c.Next != 0 {
			return out
		}
	}
}

func TestPublishInATransaction(t *testing.T) {
	t.Parallel()
	for _, level := range []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			s := newShop(t, sqltest.Postgres(t, "pgx"))
			tx := s.begin(level)
			got := s.publish(s.In(tx), newEvent("one", "p"), newEvent("two", "p"), newEvent("one", "p"), newEvent("one", "q"))
			require.Equal(t, []store.Published{{Deferred: true}, {Deferred: true}, {Duplicate: true}, {Conflict: true}}, got)
			require.Empty(t, s.claim(), "nothing is seen before the commit")
			require.NoError(t, tx.Commit())
			require.Equal(t, []string{"one", "two"}, s.claim())

			lost := s.begin(level)
			s.publish(s.In(lost), newEvent("three", "p"))
			require.NoError(t, lost.Rollback())
			require.Empty(t, s.claim(), "nothing is seen after a rollback")
		})
	}
}

func TestPublishInATransactionSeesWhatIsThere(t *testing.T) {
	t.Parallel()
	s := newShop(t, sqltest.Postgres(t, "pgx"))
	s.publish(s, newEvent("old", "p"))
	tx := s.begin(sql.LevelReadCommitted)
	s.publish(s.In(tx), newEvent("own", "p"))
	got := s.publish(s.In(tx), newEvent("old", "p"), newEvent("old", "q"), newEvent("own", "p"), newEvent("own", "q"))
	require.Equal(t, []store.Published{{Duplicate: true}, {Conflict: true}, {Duplicate: true}, {Conflict: true}}, got)
	_, err := s.In(tx).Publish(t.Context(), "m", []store.NewEvent{{ID: "test", Type: "t", Test: "nobody"}})
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, tx.Commit(), "no answer ends the transaction")
}

// Three transactions and a plain call publish one id: the first that is taken in counts.
func TestOneIDInManyTransactions(t *testing.T) {
	t.Parallel()
	s := newShop(t, sqltest.Postgres(t, "pgx"))
	var open []*sql.Tx
	for _, mark := range []string{"p", "p", "q"} {
		tx := s.begin(sql.LevelReadCommitted)
		require.True(t, s.publish(s.In(tx), newEvent("same", mark))[0].Deferred, "nobody waits for another transaction")
		open = append(open, tx)
	}
	require.Equal(t, []string(nil), s.claim())
	s.publish(s, newEvent("same", "p"))
	for _, tx := range open {
		require.NoError(t, tx.Commit())
	}
	require.Equal(t, []string{"same"}, s.claim())
}

// While a transaction that has published is open, every operation on its webhook goes on.
func TestAnOpenTransactionHoldsUpNobody(t *testing.T) {
	t.Parallel()
	s := newShop(t, sqltest.Postgres(t, "pgx"))
	tx := s.begin(sql.LevelReadCommitted)
	s.publish(s.In(tx), newEvent("held", "p"), newEvent("also", "p"))

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s.publish(s, newEvent("plain", "p"), newEvent("also", "p"))
	c, err := s.Claim(ctx, store.ClaimRequest{Limit: 1, Lease: time.Minute, PerWebhook: 10})
	require.NoError(t, err)
	require.Len(t, c.Leases, 1)
	l := c.Leases[0]
	_, err = s.Finish(ctx, []store.Result{{MerchantID: "m", WebhookID: "whk", DeliveryID: l.DeliveryID, Token: l.Token, Outcome: store.Succeeded}})
	require.NoError(t, err)
	for _, status := range []store.Status{store.Disabled, store.Active} {
		_, err = s.UpdateWebhook(ctx, "m", "whk", store.WebhookUpdate{Status: &status})
		require.NoError(t, err)
	}
	_, err = s.Enqueue(ctx, "m", "whk", []string{"plain"}, "n", 0)
	require.NoError(t, err)
	_, err = s.Prune(ctx, store.PruneRequest{DeliveryAge: time.Nanosecond, EventAge: time.Nanosecond, Limit: 100})
	require.NoError(t, err)
	require.NoError(t, s.DeleteWebhook(ctx, "m", "whk", 0))
	require.NoError(t, tx.Commit())
	require.Empty(t, s.claim())
}

func TestInfoOfPostgres(t *testing.T) {
	t.Parallel()
	s := newShop(t, sqltest.Postgres(t, "pgx"))
	tx := s.begin(sql.LevelReadCommitted)
	s.publish(s.In(tx), newEvent("one", "p"))
	s.publish(s, newEvent("one", "q"))
	require.NoError(t, tx.Commit())
	info, err := s.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, sqlstore.Postgres, info.Dialect)
	require.EqualValues(t, 1, info.Intake)
	require.NotEmpty(t, info.Version)
	require.NotEmpty(t, info.Durability)
	s.claim()
	info, err = s.Info(t.Context())
	require.NoError(t, err)
	require.Zero(t, info.Intake)
	require.EqualValues(t, 1, info.SetAside)
}

// What docs/operating.md tells to ask is an answer.
func TestQueriesOfTheDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operating.md")
	require.NoError(t, err)
	_, block, ok := strings.Cut(string(text), "```sql\n")
	require.True(t, ok)
	block, _, _ = strings.Cut(block, "```")
	db := sqltest.Postgres(t, "pgx")
	require.NoError(t, sqlstore.Migrate(t.Context(), db, &sqlstore.Options{Schema: "docs"}))
	for line := range strings.Lines(block) {
		rows, err := db.QueryContext(t.Context(), strings.ReplaceAll(line, "webhooks.", "docs."))
		require.NoError(t, err, line)
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
	}
}
