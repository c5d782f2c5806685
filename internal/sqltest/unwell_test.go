package sqltest_test

import (
	"database/sql"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
)

// Results of one call count in their order, also where one statement applies them all.
func TestUnwellWithinOneCall(t *testing.T) {
	t.Parallel()
	const reset, try, extend = store.StreakReset, store.StreakTry, store.StreakExtend
	onDialects(t, func(t *testing.T, db *sql.DB, o sqlstore.Options) {
		t.Helper()
		c := newClock()
		o.Now = c.now
		require.NoError(t, sqlstore.Migrate(t.Context(), db, &o))
		st, err := sqlstore.Open(t.Context(), db, &o)
		require.NoError(t, err)
		s := shop{t, st, db, o.Schema}
		for i, of := range []struct {
			streaks []store.Streak
			unwell  string
		}{
			{[]store.Streak{try, reset}, "no more"},
			{[]store.Streak{reset, try}, "from now on"},
			{[]store.Streak{try, extend}, "as before"},
			{[]store.Streak{try, reset, extend}, "from now on"},
			{[]store.Streak{extend, try, reset}, "no more"},
		} {
			id := strconv.Itoa(i)
			_, err := s.CreateWebhook(t.Context(), "m", store.Webhook{ID: id, Events: []string{id}, Status: store.Active}, 0)
			require.NoError(t, err)
			var results []store.Result
			for n, streak := range append([]store.Streak{try}, of.streaks...) {
				s.publish(s, store.NewEvent{ID: id + "." + strconv.Itoa(n), Type: id, Body: []byte(`{}`)})
				got, err := s.Claim(t.Context(), store.ClaimRequest{Limit: 1, Lease: time.Minute, PerWebhook: 10})
				require.NoError(t, err)
				require.Len(t, got.Leases, 1)
				l := got.Leases[0]
				results = append(results, store.Result{MerchantID: "m", WebhookID: id, DeliveryID: l.DeliveryID, Token: l.Token, Outcome: store.Failed, Streak: streak})
			}
			_, err = s.Finish(t.Context(), results[:1])
			require.NoError(t, err)
			before := c.now().UTC()
			c.advance(time.Second)
			_, err = s.Finish(t.Context(), results[1:])
			require.NoError(t, err)
			w, err := s.Webhook(t.Context(), "m", id)
			require.NoError(t, err)
			want := map[string]time.Time{"no more": {}, "from now on": c.now().UTC(), "as before": before}
			require.Equal(t, want[of.unwell], w.UnwellSince, "%v", of.streaks)
		}
	})
}
