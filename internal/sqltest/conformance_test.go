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

// Schemas that tests share one after the other. TestMain drops them.
var (
	several = sqltest.Pool{Driver: "pgx", Connections: 4}
	one     = sqltest.Pool{Driver: "postgres", Connections: 1}
)

// allVariable asks for every driver and number of connections, as `make sql` does. Without
// it the suite is played once for each database.
const allVariable = "WEBHOOK_TEST_DRIVERS"

func TestConformanceOfPostgres(t *testing.T) {
	t.Parallel()
	pools := map[string]*sqltest.Pool{"pgx": &several}
	if os.Getenv(allVariable) != "" {
		pools["lib-pq, one connection"] = &one // A store keeps none between calls, so one is enough.
	}
	for name, p := range pools {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, opener(p))
		})
	}
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

// opener makes stores in PostgreSQL, in schemas of a pool.
func opener(p *sqltest.Pool) func(t *testing.T) storetest.Harness {
	return func(t *testing.T) storetest.Harness {
		t.Helper()
		c := newClock()
		st := p.Open(t, c.now)
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
	storetest.RunDifferential(t, opener(&several), sequences())
}
