package sqltest_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
)

// auditing is a shop on a dialect, with an event that waits and one that has failed.
func auditing(t *testing.T, db *sql.DB, o sqlstore.Options) (s shop, exec func(statement string)) {
	t.Helper()
	require.NoError(t, sqlstore.Migrate(t.Context(), db, &o))
	st, err := sqlstore.Open(t.Context(), db, &o)
	require.NoError(t, err)
	s = shop{t, st, db, o.Schema}
	for _, id := range []string{"whk", "whk_2", "whk_3"} {
		_, err = s.CreateWebhook(t.Context(), "m", store.Webhook{ID: id, Events: []string{"*"}, Status: store.Active}, 0)
		require.NoError(t, err)
	}
	s.publish(s, newEvent("one", "p"))
	c, err := s.Claim(t.Context(), store.ClaimRequest{Limit: 10, Lease: time.Minute, PerWebhook: 10})
	require.NoError(t, err)
	for _, l := range c.Leases {
		_, err = s.Finish(t.Context(), []store.Result{{
			MerchantID: "m", WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token, Outcome: store.Failed, Streak: store.StreakExtend, DisableAfter: 1, DisableReason: "failures",
		}})
		require.NoError(t, err)
	}
	_, err = s.Enqueue(t.Context(), "m", "whk", []string{"one"}, "nonce", 0)
	require.NoError(t, err)
	in := o.Schema + "."
	if o.Dialect == sqlstore.SQLite {
		in = o.Schema + "_"
	}
	return s, func(statement string) {
		r, err := db.ExecContext(t.Context(), strings.ReplaceAll(statement, "@.", in))
		require.NoError(t, err)
		n, err := r.RowsAffected()
		require.NoError(t, err)
		require.Positive(t, n)
	}
}

// Audit finds each of these, and says whose it is.
func TestAudit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, statement, says string }{
		{"more changes than are kept", "with recursive n(i) as (select -100 union all select i + 1 from n where i < 0) " +
			"insert into @.change (wh, version, at, actor, active, reason, fields) select 1, i, 1, '', true, '', '' from n", "webhook whk of merchant m keeps 103 changes"},
		{"no change", "delete from @.change where wh = 1", "webhook whk of merchant m keeps no change"},
		{"a change of a later version", "update @.change set version = 9 where wh = 1 and version = 2", "webhook whk of merchant m keeps changes that it has not had"},
		{"changes of a webhook that is gone", "update @.change set wh = 99 where wh = 1", "deleted webhook 99 keeps changes that it has not had"},
		{"no change of a disabling", "delete from @.change where version = 2 and wh = 1", "webhook whk of merchant m is disabled, and no change says so"},
		{"well with a streak", "update @.ready set unwell = 0 where wh = 1", "webhook whk of merchant m has a streak of failures and is not unwell"},
		{"active in one", "update @.webhook set active = not active where wh = 1", "webhook whk of merchant m is in one of webhook and ready, or active in one"},
		{"another count", "update @.ready set n_failed = 7 where wh = 1", "webhook whk of merchant m has counted what ended or attempts wrong"},
		{"no event", "delete from @.event", "webhook whk of merchant m waits for an event that is not there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onDialects(t, func(t *testing.T, db *sql.DB, o sqlstore.Options) {
				t.Helper()
				s, exec := auditing(t, db, o)
				require.NoError(t, s.Audit(t.Context()))
				exec(c.statement)
				require.ErrorContains(t, s.Audit(t.Context()), c.says)
			})
		})
	}
}

// What cannot be read is named, beside what can.
func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	onDialects(t, func(t *testing.T, db *sql.DB, o sqlstore.Options) {
		t.Helper()
		s, exec := auditing(t, db, o)
		exec("update @.webhook set metadata = '{' where wid = 'whk_2'")
		var found, damaged []string
		q := store.TroubledQuery{Limit: 1}
		for {
			page, err := s.Troubled(t.Context(), q)
			require.NoError(t, err)
			for _, w := range page.Webhooks {
				found = append(found, w.ID)
			}
			damaged = append(damaged, page.Damaged...)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		require.Equal(t, []string{"whk", "whk_3"}, found)
		require.Equal(t, []string{"whk_2"}, damaged)

		fate, err := s.EventDeliveries(t.Context(), "m", "one")
		require.NoError(t, err)
		require.Len(t, fate.Deliveries, 4)
		again := fate.Deliveries[3].ID
		exec("delete from @.queue where wh = 1")
		fate, err = s.EventDeliveries(t.Context(), "m", "one")
		require.NoError(t, err)
		require.Len(t, fate.Published, 3)
		require.Len(t, fate.Deliveries, 3)
		require.Equal(t, []string{again}, fate.Damaged)

		exec("update @.change set events = '{' where wh = 1 and version = 1")
		changes, err := s.Changes(t.Context(), "m", "whk")
		require.NoError(t, err)
		require.Len(t, changes, 2)
		require.Empty(t, changes[1].Events)
		info, err := s.Info(t.Context())
		require.NoError(t, err)
		require.Equal(t, "has events of a change that cannot be read", info.Damaged[1].How)
	})
}
