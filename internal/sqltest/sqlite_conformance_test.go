//go:build !race

// SQLite is C in Go's clothes to one driver and to the other, which the race detector makes more
// than ten times slower. What runs at once in the store itself is tested in sqlite_test.go.

package sqltest_test

import (
	"os"
	"testing"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store/storetest"
)

func TestConformanceOfSQLite(t *testing.T) {
	t.Parallel()
	list := []struct {
		name, driver string
		connections  int
	}{{"one connection", "sqlite", 1}, {"modernc", "sqlite", 8}, {"ncruces", "sqlite3", 4}}
	if os.Getenv(allVariable) == "" {
		list = list[:1]
	}
	for _, c := range list {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, openerOfSQLite(c.driver, c.connections))
		})
	}
}

func TestDifferentialOfSQLite(t *testing.T) {
	t.Parallel()
	storetest.RunDifferential(t, openerOfSQLite("sqlite", 8), sequences())
}

// openerOfSQLite opens a file for each store.
func openerOfSQLite(driver string, connections int) func(t *testing.T) storetest.Harness {
	return func(t *testing.T) storetest.Harness {
		t.Helper()
		c := newClock()
		st := sqltest.OpenSQLite(t, sqltest.SQLiteBy(t, driver, connections), c.now)
		return storetest.Harness{Store: st, Advance: c.advance, Audit: st.Audit}
	}
}
