package sqltest_test

import (
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
	storetest.Run(t, opener("pgx", 8))
}

// A store keeps no connection between calls, so one is enough.
func TestConformanceOfPostgresOnOneConnection(t *testing.T) {
	t.Parallel()
	storetest.Run(t, opener("postgres", 1))
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

// opener makes schemas in PostgreSQL, through a driver.
func opener(driver string, connections int) func(t *testing.T) storetest.Harness {
	return func(t *testing.T) storetest.Harness {
		t.Helper()
		c := newClock()
		db := sqltest.Postgres(t, driver)
		db.SetMaxOpenConns(connections)
		st := sqltest.Open(t, db, c.now)
		return storetest.Harness{Store: st, Advance: c.advance, Audit: st.Audit}
	}
}

// sequencesVariable asks for that many random sequences.
const sequencesVariable = "WEBHOOK_TEST_SEQUENCES"

func sequences() int {
	n, err := strconv.Atoi(os.Getenv(sequencesVariable))
	if err != nil {
		n = 10 // A test of conformance plays 150 more.
	}
	return n
}

func TestDifferentialOfPostgres(t *testing.T) {
	t.Parallel()
	storetest.RunDifferential(t, opener("pgx", 1), sequences())
}
