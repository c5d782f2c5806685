package sqltest_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/store/outbox"
	"github.com/rag-assistant/webhooks/store/sqlstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// onEach runs a test on each database that can have an outbox.
func onEach(t *testing.T, f func(h *host)) {
	t.Helper()
	for _, name := range []string{"pgx", "postgres", "sqlite", "mariadb"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(newHost(t, name))
		})
	}
}

// host is a service that has an outbox in front of a store that is elsewhere.
type host struct {
	*testing.T
	*webhook.Service
	*outbox.Box

	driver string
	file   string // of SQLite
	schema string
	db     *sql.DB
	st     *memstore.Store
	clock  *clock
}

// newHost makes one with an outbox of its own, by driver.
func newHost(t *testing.T, driver string) *host {
	t.Helper()
	h := &host{T: t, driver: driver, file: t.TempDir() + "/outbox.db", st: memstore.New(nil), clock: newClock()}
	h.schema = "test_" + strings.ToLower(rand.Text()[:16])
	h.db = h.open()
	var err error
	h.Service, err = webhook.NewService(h.st, nil)
	require.NoError(t, err)
	_, err = h.Register(t.Context(), "m", webhook.Registration{URL: "https://example.com/hook", Events: []string{"*"}})
	require.NoError(t, err)
	h.Box = h.box(h.db)
	t.Cleanup(h.drop)
	return h
}

// open connects to the database once more, as another process does.
func (h *host) open() *sql.DB {
	h.Helper()
	switch h.driver {
	case "sqlite":
		return sqltest.SQLiteFile(h, h.file, 4)
	case "mariadb":
		return sqltest.MariaDB(h)
	default:
		return sqltest.Postgres(h, h.driver)
	}
}

func (h *host) options() *outbox.Options {
	return &outbox.Options{Schema: h.schema, Now: h.clock.now}
}

// box makes the box of another process.
func (h *host) box(db *sql.DB) *outbox.Box {
	h.Helper()
	require.NoError(h, outbox.Migrate(h.Context(), db, h.options()))
	b, err := outbox.New(db, h.options())
	require.NoError(h, err)
	return b
}

func (h *host) postgres() bool { return h.driver == "pgx" || h.driver == "postgres" }

// table is the name of a table in statements.
func (h *host) table(name string) string {
	if h.postgres() {
		return h.schema + "." + name
	}
	return h.schema + "_" + name
}

func (h *host) drop() {
	if h.Failed() {
		h.Logf("look into %s", h.table("outbox"))
		return
	}
	statements := []string{"drop table " + h.table("outbox"), "drop table " + h.table("outbox_migration")}
	if h.postgres() {
		statements = []string{"drop schema " + h.schema + " cascade"}
	}
	for _, statement := range statements {
		_, err := h.db.ExecContext(context.WithoutCancel(h.Context()), statement)
		require.NoError(h, err)
	}
}

func (h *host) begin() *sql.Tx {
	h.Helper()
	tx, err := h.db.BeginTx(h.Context(), nil)
	require.NoError(h, err)
	h.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func doc(id, title string) event.Event {
	e := event.New(event.DocumentCreated{DocumentID: "doc_1", Title: title})
	e.ID = id
	return e
}

// write commits events.
func (h *host) write(events ...event.Event) {
	h.Helper()
	tx := h.begin()
	_, err := h.PublishTo(h.Context(), h.In(tx), "m", events...)
	require.NoError(h, err)
	require.NoError(h, tx.Commit())
}

// relay runs a relay until it has no more to do now.
func (h *host) relay(box *outbox.Box, svc outbox.Service) {
	h.Helper()
	h.relayUntil(box, svc, h.idle)
}

func (h *host) relayUntil(box *outbox.Box, svc outbox.Service, enough func() bool) {
	h.Helper()
	r, err := outbox.NewRelay(box, svc, &outbox.RelayOptions{PollInterval: time.Millisecond, Lease: time.Minute, MaxTries: 2})
	require.NoError(h, err)
	ctx, cancel := context.WithCancel(h.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	require.Eventually(h, enough, 20*time.Second, time.Millisecond)
	cancel()
	require.NoError(h, <-ended)
}

// idle says whether nothing is due now.
func (h *host) idle() bool {
	var n int
	err := h.db.QueryRowContext(h.Context(), fmt.Sprintf("select count(*) from %s where state = 0 and due <= %d", h.table("outbox"), h.clock.now().UnixMilli())).Scan(&n)
	require.NoError(h, err)
	return n == 0
}

// sent are the events that have a delivery, in no order.
func (h *host) sent() []string {
	h.Helper()
	c, err := h.st.Claim(h.Context(), store.ClaimRequest{Limit: 1000, Lease: time.Hour, PerWebhook: 100_000})
	require.NoError(h, err)
	var out []string
	for _, l := range c.Leases {
		out = append(out, l.EventID)
	}
	return out
}

func TestOutbox(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		tx := h.begin()
		out, err := h.PublishTo(h.Context(), h.In(tx), "m", doc("one", "é"), doc("two", "&"), doc("one", "é"))
		require.NoError(h, err)
		require.Equal(h, []webhook.Publication{{EventID: "one", Deferred: true}, {EventID: "two", Deferred: true}, {EventID: "one", Duplicate: true}}, out)
		require.NoError(h, tx.Commit())
		lost := h.begin()
		_, err = h.PublishTo(h.Context(), h.In(lost), "m", doc("three", ""))
		require.NoError(h, err)
		require.NoError(h, lost.Rollback())

		b, err := h.Backlog(h.Context())
		require.NoError(h, err)
		require.Equal(h, outbox.Backlog{Waiting: 2}, b)
		h.relay(h.Box, h)
		require.ElementsMatch(h, []string{"one", "two"}, h.sent())

		// What was relayed is known for a while.
		tx = h.begin()
		out, err = h.PublishTo(h.Context(), h.In(tx), "m", doc("one", "é"), doc("two", "other"), doc("four", ""))
		require.ErrorIs(h, err, webhook.ErrConflict)
		require.True(h, out[0].Duplicate)
		require.True(h, out[2].Deferred)
		require.NoError(h, tx.Commit(), "no answer ends the transaction")
		h.relay(h.Box, h)
		require.Equal(h, []string{"four"}, h.sent())
		b, err = h.Backlog(h.Context())
		require.NoError(h, err)
		require.Zero(h, b)
	})
}

// dying is a service whose process dies before or after it has published: its database is gone.
type dying struct {
	*webhook.Service

	db    *sql.DB
	after bool
}

func (d dying) PublishPrepared(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	if d.after {
		if _, err := d.Service.PublishPrepared(ctx, merchantID, events); err != nil {
			return nil, err
		}
	}
	return nil, errors.Join(store.ErrUnavailable, d.db.Close())
}

func TestARelayDies(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		for _, after := range []bool{false, true} {
			h := newHost(h.T, h.driver)
			h.write(doc("one", ""), doc("two", ""))
			db := h.open()
			h.relay(h.box(db), dying{h.Service, db, after})
			if after {
				require.ElementsMatch(h, []string{"one", "two"}, h.sent())
			}
			h.relay(h.Box, h)
			require.Empty(h, h.sent(), "they are leased")
			h.clock.advance(time.Minute)
			h.relay(h.Box, h)
			if after {
				require.Empty(h, h.sent(), "they are sent once")
			} else {
				require.ElementsMatch(h, []string{"one", "two"}, h.sent())
			}
			b, err := h.Backlog(h.Context())
			require.NoError(h, err)
			require.Zero(h, b)
		}
	})
}

// sulking is a store's service that takes some events only.
type sulking struct {
	*webhook.Service

	err  error
	able atomic.Bool // takes all but "poison"
}

func (s *sulking) PublishPrepared(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	for _, e := range events {
		if !s.able.Load() || e.ID == "poison" {
			return nil, s.err
		}
	}
	return s.Service.PublishPrepared(ctx, merchantID, events)
}

// A failure counts against an event only if others go through.
func TestPoison(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		s := &sulking{Service: h.Service, err: errors.New("no\x00t this one")}
		h.write(doc("poison", ""), doc("one", ""))
		for range 5 {
			h.relay(h.Box, s)
			h.clock.advance(10 * time.Second)
		}
		b, err := h.Backlog(h.Context())
		require.NoError(h, err)
		require.Equal(h, outbox.Backlog{Waiting: 2, Oldest: 50 * time.Second}, b, "the store takes nothing, which is nobody's fault")

		s.able.Store(true)
		for range 3 {
			h.write(doc(rand.Text(), ""))
			h.relay(h.Box, s)
			h.clock.advance(10 * time.Second)
		}
		require.Len(h, h.sent(), 4)
		list, err := h.SetAside(h.Context(), 0, 10)
		require.NoError(h, err)
		require.Len(h, list, 1)
		a := list[0]
		require.Equal(h, []string{"m", "poison", "document.created", "not this one"}, []string{a.MerchantID, a.EventID, a.EventType, a.Why})
		require.Positive(h, a.Bytes)
		require.Equal(h, 60*time.Second, a.Since.Sub(a.Written))
		require.Contains(h, h.Box.Health(h.Context()).String(), "1 events of the outbox are set aside")
		list, err = h.SetAside(h.Context(), a.ID, 10)
		require.NoError(h, err)
		require.Empty(h, list)

		n, err := h.PutBack(h.Context(), a.ID, 99)
		require.NoError(h, err)
		require.Equal(h, 1, n)
		h.relay(h.Box, h)
		require.Equal(h, []string{"poison"}, h.sent(), "put back once the store takes it")
	})
}

// An id that stands for something else by the time of the relay is set aside.
func TestALateConflict(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		h.write(doc("one", "here"), doc("two", "here"))
		_, err := h.Publish(h.Context(), "m", doc("one", "there"))
		require.NoError(h, err)
		_, err = h.Publish(h.Context(), "m", doc("two", "here"))
		require.NoError(h, err)
		h.relay(h.Box, h)
		list, err := h.SetAside(h.Context(), 0, 10)
		require.NoError(h, err)
		require.Len(h, list, 1)
		require.Equal(h, "one", list[0].EventID)
		require.Contains(h, list[0].Why, "other content")
		n, err := h.Drop(h.Context(), list[0].ID, list[0].ID)
		require.NoError(h, err)
		require.Equal(h, 1, n)
		b, err := h.Backlog(h.Context())
		require.NoError(h, err)
		require.Zero(h, b)
	})
}

// What cannot be kept is refused before the database ends the transaction over it.
func TestUnfitForAnOutbox(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		tx := h.begin()
		for _, e := range []store.NewEvent{
			{ID: "a\x00"}, {ID: strings.Repeat("a", 256)}, {ID: "a", Type: "\xff"}, {ID: "a", Trace: strings.Repeat("t", 4097)}, {},
		} {
			_, err := h.In(tx).Publish(h.Context(), "m", []store.NewEvent{e})
			require.ErrorContains(h, err, "must ")
		}
		_, err := h.PublishTo(h.Context(), h.In(tx), "m", doc("one", ""))
		require.NoError(h, err)
		require.NoError(h, tx.Commit())
	})
}

// Several relays share a box, and a transaction that is open holds up none of them.
func TestManyRelays(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		const batches, size, relays = 10, 120, 3
		if h.driver != "sqlite" {
			tx := h.begin()
			_, err := h.PublishTo(h.Context(), h.In(tx), "m", doc("open", ""))
			require.NoError(h, err)
		}
		for i := range batches {
			events := make([]event.Event, size)
			for j := range events {
				events[j] = doc(fmt.Sprintf("e%d_%d", i, j), "")
			}
			h.write(events...)
		}
		var calls atomic.Int64
		ended := make(chan error)
		ctx, cancel := context.WithCancel(h.Context())
		for range relays {
			r, err := outbox.NewRelay(h.box(h.open()), counting{h.Service, &calls}, &outbox.RelayOptions{PollInterval: time.Millisecond, Batch: 50})
			require.NoError(h, err)
			go func() { ended <- r.Run(ctx) }()
		}
		require.Eventually(h, func() bool {
			b, err := h.Backlog(h.Context())
			return err == nil && b.Waiting == 0
		}, 30*time.Second, time.Millisecond)
		cancel()
		for range relays {
			require.NoError(h, <-ended)
		}
		require.EqualValues(h, batches*size, calls.Load(), "no event is taken twice")
	})
}

type counting struct {
	*webhook.Service

	events *atomic.Int64
}

func (c counting) PublishPrepared(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	c.events.Add(int64(len(events)))
	return c.Service.PublishPrepared(ctx, merchantID, events)
}

// overtaken is a service that is so slow that another relay has what it was given.
type overtaken struct {
	*webhook.Service

	meanwhile func()
}

func (o overtaken) PublishPrepared(context.Context, string, []store.NewEvent) ([]store.Published, error) {
	o.meanwhile()
	return nil, store.ErrUnavailable
}

func TestALeaseIsLost(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		h.write(doc("one", ""))
		var once atomic.Bool
		h.relay(h.Box, overtaken{h.Service, func() {
			if once.CompareAndSwap(false, true) {
				h.clock.advance(time.Minute)
				db := h.open()
				h.relay(h.box(db), dying{h.Service, db, false}) // It has a lease from now on.
			}
		}})
		h.clock.advance(30 * time.Second)
		h.relay(h.Box, h)
		require.Empty(h, h.sent(), "who has lost a lease does not end that of another")
		h.clock.advance(30 * time.Second)
		h.relay(h.Box, h)
		require.Equal(h, []string{"one"}, h.sent())
	})
}

func TestHealthOfAnOutbox(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		require.Equal(h, outbox.Health{Ready: true}, h.Box.Health(h.Context()))
		h.write(doc("one", ""))
		h.clock.advance(5 * time.Minute)
		require.Contains(h, h.Box.Health(h.Context()).String(), "1 events wait in the outbox, the oldest for 5m0s: does a relay run?")
		db := h.open()
		box := h.box(db)
		r, err := outbox.NewRelay(box, h, nil)
		require.NoError(h, err)
		require.False(h, r.Health(h.Context()).Ready)
		require.Contains(h, r.Health(h.Context()).String(), "not running")
		h.relay(h.Box, h)
		require.Equal(h, "ok", h.Box.Health(h.Context()).String())

		ctx, cancel := context.WithCancel(h.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		require.Eventually(h, func() bool { return r.Health(h.Context()).Ready }, 10*time.Second, time.Millisecond)
		require.NoError(h, db.Close())
		box.Wake()
		require.Eventually(h, func() bool { return strings.Contains(r.Health(h.Context()).String(), "relaying has failed") }, 10*time.Second, time.Millisecond)
		cancel()
		require.NoError(h, <-ended)
	})
}

func TestAnOutboxForgetsWhatWasRelayed(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		for range 11 {
			events := make([]event.Event, 100)
			for i := range events {
				events[i] = doc(rand.Text(), "")
			}
			h.write(events...)
		}
		h.relay(h.Box, h)
		h.clock.advance(23 * time.Hour)
		h.write(doc("young", ""))
		h.relay(h.Box, h)
		h.clock.advance(time.Hour)
		h.relayUntil(h.Box, h, func() bool {
			var n int
			err := h.db.QueryRowContext(h.Context(), "select count(*) from "+h.table("outbox")).Scan(&n)
			return err == nil && n == 1
		})
		tx := h.begin()
		out, err := h.PublishTo(h.Context(), h.In(tx), "m", doc("young", ""))
		require.NoError(h, err)
		require.True(h, out[0].Duplicate, "the young one is known")
	})
}

func TestMigrateAnOutbox(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		db, o := h.open(), h.options()
		o.Schema += "_2"
		_, err := outbox.New(db, o)
		require.ErrorIs(h, err, outbox.ErrMigrate)
		errs := make(chan error)
		for range 4 {
			go func() { errs <- outbox.Migrate(h.Context(), db, o) }()
		}
		for range 4 {
			require.NoError(h, <-errs)
		}
		_, err = outbox.New(db, o)
		require.NoError(h, err)
		h.drop()
		h.schema = o.Schema // It is dropped at the end.
		_, err = db.ExecContext(h.Context(), "insert into "+h.table("outbox_migration")+" (number) values (99)")
		require.NoError(h, err)
		_, err = outbox.New(db, o)
		require.ErrorContains(h, err, "use a newer program")
	})
}

// newSQLHost is a host in PostgreSQL, whose rows are written by statements.
func newSQLHost(t *testing.T) *host {
	t.Helper()
	return newHost(t, "pgx")
}

// publish calls the function of SQL.
func (h *host) publish(q outbox.Tx, args ...any) (id string) {
	h.Helper()
	marks := []string{"$1", "$2", "$3::jsonb", "$4"}[:len(args)]
	rows, err := q.QueryContext(h.Context(), "select "+h.schema+".publish("+strings.Join(marks, ", ")+")", args...)
	require.NoError(h, err)
	defer rows.Close()
	require.True(h, rows.Next())
	require.NoError(h, rows.Scan(&id))
	require.NoError(h, rows.Err())
	return id
}

func TestPublishFromSQL(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		h := newSQLHost(t)
		h.clock.ms.Store(time.Now().UnixMilli() + time.Hour.Milliseconds())
		tx := h.begin()
		made := h.publish(tx, "m", "document.created", `{"title": "é", "documentId": 1.0}`)
		require.Regexp(t, `^evt_[0-9a-f]{32}$`, made)
		require.Equal(t, "own", h.publish(tx, "m", "document.created", `{"b": 2, "a": 1}`, "own"))
		require.Equal(t, "own", h.publish(tx, "m", "document.created", `{"a": 1, "b": 2}`, "own"))
		require.NoError(t, tx.Commit())
		for _, bad := range [][]any{
			{"m", "document.created", `{"a": 2, "b": 2}`, "own"}, // taken
			{"m", "no.such.type", `{}`},
			{"a/b", "document.created", `{}`},
			{"m", "document.created", `{}`, "é"},
			{"m", "document.created", `"` + strings.Repeat("x", webhook.MaxBody) + `"`},
			{"m", "document.created", `1e400`},
		} {
			h.publish(h.db, bad...)
		}
		h.relay(h.Box, h)
		require.ElementsMatch(t, []string{made, "own"}, h.sent())
		e, err := h.st.Event(t.Context(), "m", made)
		require.NoError(t, err)
		require.Contains(t, string(e.Body), `"data":{"documentId":1,"title":"é"}`)

		list, err := h.SetAside(t.Context(), 0, 10)
		require.NoError(t, err)
		require.Len(t, list, 6)
		for i, why := range []string{"other content", "not in the catalog", "merchantId", "id: must be", "data", "data"} {
			require.Contains(t, list[i].Why, why)
		}
		for _, args := range [][]any{{nil, "t", `{}`}, {"m", nil, `{}`}, {"m", "t", nil}, {strings.Repeat("m", 256), "t", `{}`}} {
			_, err := h.db.ExecContext(t.Context(), "select "+h.schema+".publish($1, $2, $3::jsonb)", args...)
			require.ErrorContains(t, err, "publish: merchant, type and")
		}
	})
}

// A role that may call the function can do nothing else to the table, and none may unasked.
func TestRightsOfPublishFromSQL(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		h := newSQLHost(t)
		role := "role_" + h.schema
		as := func(statement string) error {
			tx := h.begin()
			defer func() { _ = tx.Rollback() }()
			_, err := tx.ExecContext(t.Context(), "set local role "+role)
			require.NoError(t, err)
			_, err = tx.ExecContext(t.Context(), strings.ReplaceAll(statement, "webhooks.", h.schema+"."))
			return err
		}
		run := func(statement string) {
			_, err := h.db.ExecContext(context.WithoutCancel(t.Context()), statement)
			require.NoError(t, err)
		}
		const publish = `select webhooks.publish('m', 'document.created', '{}')`
		run("create role " + role)
		t.Cleanup(func() { run("drop owned by " + role); run("drop role " + role) })
		run("grant usage on schema " + h.schema + " to " + role)
		require.ErrorContains(t, as(publish), "permission denied for function")
		run("grant execute on function " + h.schema + ".publish to " + role)
		require.NoError(t, as(publish))
		require.ErrorContains(t, as("insert into webhooks.outbox (merchant, eid, type, body, at, due) values ('m', 'e', 't', '', 0, 0)"), "permission denied")
	})
}

// A trigger publishes, and the webhooks live in the same schema.
func TestPublishFromATrigger(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		h := newSQLHost(t)
		require.NoError(t, sqlstore.Migrate(t.Context(), h.db, &sqlstore.Options{Schema: h.schema}))
		st, err := sqlstore.Open(t.Context(), h.db, &sqlstore.Options{Schema: h.schema})
		require.NoError(t, err)
		catalog, err := event.NewCatalog(event.Entry{Type: "order.placed", Description: "?"})
		require.NoError(t, err)
		svc, err := webhook.NewService(st, &webhook.ServiceOptions{Catalog: catalog, SecretKeys: []webhook.SecretKey{{ID: "k1", Key: [32]byte{1}}}})
		require.NoError(t, err)
		text, err := os.ReadFile("../../docs/outbox.md")
		require.NoError(t, err)
		_, block, ok := strings.Cut(string(text), "```sql\n")
		require.True(t, ok)
		block, _, _ = strings.Cut(block, "```")
		_, err = h.db.ExecContext(t.Context(), strings.NewReplacer("webhooks.", h.schema+".", "@", h.schema).Replace(
			"set local search_path = @; create table orders (merchant text, id integer);"+block+"insert into orders values ('m', 1), ('m', 2)"))
		require.NoError(t, err)
		h.clock.ms.Store(time.Now().UnixMilli() + time.Hour.Milliseconds())
		h.relay(h.Box, svc)
		for _, id := range []string{"order_1", "order_2"} {
			_, err := st.Event(t.Context(), "m", id)
			require.NoError(t, err)
		}
	})
}

// Two transactions at the strictest level publish one id, and both commit.
func TestAnOutboxInSerializableTransactions(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		h := newSQLHost(t)
		var open []*sql.Tx
		for range 2 {
			tx, err := h.db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable})
			require.NoError(t, err)
			defer func() { _ = tx.Rollback() }()
			_, err = h.PublishTo(t.Context(), h.In(tx), "m", doc("same", ""))
			require.NoError(t, err)
			open = append(open, tx)
		}
		for _, tx := range open {
			require.NoError(t, tx.Commit())
		}
		h.relay(h.Box, h)
		require.Equal(t, []string{"same"}, h.sent())
	})
}

// A relay that has got far finds what was written long before, and committed late.
func TestALateCommit(t *testing.T) {
	t.Parallel()
	onEach(t, func(h *host) {
		if h.driver == "sqlite" {
			return // Nobody else writes meanwhile.
		}
		tx := h.begin()
		_, err := h.PublishTo(h.Context(), h.In(tx), "m", doc("late", ""))
		require.NoError(h, err)
		h.clock.advance(time.Hour)
		h.write(doc("early", ""))
		committed := false
		h.relayUntil(h.Box, h, func() bool {
			if !committed && h.idle() {
				committed = tx.Commit() == nil
			}
			return committed && h.idle()
		})
		require.ElementsMatch(h, []string{"early", "late"}, h.sent())
	})
}
