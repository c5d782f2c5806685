package sqltest_test

import (
	"database/sql"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store/storetest"
)

func TestConformanceOfPostgres(t *testing.T) {
	t.Parallel()
	db := sqltest.Postgres(t, "pgx")
	db.SetMaxOpenConns(8)
	storetest.Run(t, opener(db))
}

// clock is a time that only the test moves.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Date(2026, time.February, 27, 12, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

func opener(db *sql.DB) func(t *testing.T) storetest.Harness {
	return func(t *testing.T) storetest.Harness {
		t.Helper()
		c := newClock()
		return storetest.Harness{Store: sqltest.Open(t, db, c.now), Advance: c.advance}
	}
}

// sequencesVariable asks for that many random sequences.
const sequencesVariable = "WEBHOOK_TEST_SEQUENCES"

func sequences() int {
	n, err := strconv.Atoi(os.Getenv(sequencesVariable))
	if err != nil {
		n = 50 // A test of conformance plays 150 more.
	}
	return n
}

func TestDifferentialOfPostgres(t *testing.T) {
	t.Parallel()
	db := sqltest.Postgres(t, "pgx")
	db.SetMaxOpenConns(8)
	storetest.RunDifferential(t, opener(db), sequences())
}
