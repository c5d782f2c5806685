package sqltest_test

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
)

// A page of a type looks at some hundred events, and goes on where it has ended, whether or not
// it has found one.
func TestPagesOfAType(t *testing.T) {
	t.Parallel()
	onDialects(t, func(t *testing.T, db *sql.DB, o sqlstore.Options) {
		t.Helper()
		require.NoError(t, sqlstore.Migrate(t.Context(), db, &o))
		st, err := sqlstore.Open(t.Context(), db, &o)
		require.NoError(t, err)
		var events []store.NewEvent
		for i := range 1300 {
			e := newEvent(fmt.Sprintf("%04d", i), "p")
			if i == 100 || i == 650 || i == 1200 {
				e.Type = "rare"
			}
			events = append(events, e)
		}
		_, err = st.Publish(t.Context(), "m", events)
		require.NoError(t, err)
		for _, newest := range []bool{false, true} {
			var found []string
			q := store.EventQuery{Type: "rare", Limit: 10, Newest: newest}
			pages := 0
			for ; pages == 0 || q.Cursor != ""; pages++ {
				page, err := st.Events(t.Context(), "m", q)
				require.NoError(t, err)
				for _, e := range page.Events {
					found = append(found, e.ID)
				}
				q.Cursor = page.Next
			}
			want := []string{"0100", "0650", "1200"}
			if newest {
				want = []string{"1200", "0650", "0100"}
			}
			require.Equal(t, want, found)
			require.Equal(t, 3, pages, "500, 500 and 300")
		}
	})
}
