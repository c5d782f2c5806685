package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/storetest"
)

// damage is a statement that spoils a record. In it @. begins the names of tables, and $w is
// the key of the victim's webhook, $waiting and so on those of events.
type damage struct {
	name, statement string
	told            bool
}

// damages are what somebody can do to rows in either database. What cannot be done is left
// out: a column of numbers or times takes no text, and none that has to be there takes null.
// In SQLite that is because the tables are strict. Neither can the JSON of fan and leases be
// anything else there. A number, or an opaque text such as a URL, is believed.
var damages = []damage{
	{"no event of what waits", "delete from @.event where id = $waiting", true},
	{"no event of what waits again", "delete from @.event where id = $again", true},
	{"no event of what is leased", "delete from @.event where id = $leased", true},
	{"no event of what is finished", "delete from @.event where id = $finished", false},
	{"no event of what has ended", "delete from @.event where id = $ended", false},
	{"no events", "delete from @.event where merchant = 'merchant_0'", true},
	{"no delivery that waits", "delete from @.queue where wh = $w and id = $waiting", false},
	{"no delivery that waits again", "delete from @.queue where wh = $w and id = $again", false},
	{"no delivery that is finished", "delete from @.queue where wh = $w and id = $finished", false},
	{"no delivery that is leased", "delete from @.queue where wh = $w and id = $leased", false},
	{"no delivery", "delete from @.queue where wh = $w", true},
	{"no delivery that has ended", "delete from @.delivery where wh = $w", false},
	{"no attempts", "delete from @.attempt where wh = $w", false},
	{"no last attempt", "update @.delivery set dur = null, status = null, err = null, answer = null where wh = $w", false},
	{"no deliveries that were sent again", "delete from @.again where wh = $w", false},
	{"no changes", "delete from @.change where wh = $w", false},
	{"garbage for the events of a change", "update @.change set events = '{garbage' where wh = $w", true},
	{"garbage for the fields of a change", "update @.change set fields = ',,' where wh = $w", false},
	{"no webhook", "delete from @.webhook where wh = $w", true},
	{"no row in ready", "delete from @.ready where wh = $w", true},
	{"garbage for events", "update @.webhook set events = '{garbage' where wh = $w", true},
	{"no events of a webhook", "update @.webhook set events = '' where wh = $w", true},
	{"other JSON for events", "update @.webhook set events = '[1, {}]' where wh = $w", true},
	{"garbage for metadata", "update @.webhook set metadata = '\"' where wh = $w", true},
	{"other JSON for metadata", "update @.webhook set metadata = '[]' where wh = $w", true},
	{"half a character in a type", "update @.event set type = type || '\x1b4' where merchant = 'merchant_0'", false},
	{"garbage in a notice", "update @.notice set kind = 'garbage' where merchant = 'merchant_0'", false},
	{"no notice", "delete from @.notice where merchant = 'merchant_0'", false},
	{"no job", "delete from @.job where merchant = 'merchant_0'", false},
	{"another scope of a job", "update @.job set scope = 'garbage' where merchant = 'merchant_0' and ended is null", false},
}

// damagesOf are those of one database. Places in line are plain numbers, and those that make
// deliveries wait are found.
var (
	damagesOfPostgres = append([]damage{
		{"garbage for kinds", "update @.webhook set kinds = '{garbage}' where wh = $w", false},
		{"other webhooks for an event", "update @.event set fan = '{1234567}' where merchant = 'merchant_0'", false},
		{"not in line", "update @.ready set next_at = null, floor = null, tfloor = null where wh = $w", false},
		{"no word of what was published", "delete from @.poke where wh = $w", true},
	}, damages...)
	damagesOfSQLite = append([]damage{
		{"no subscriptions", "delete from @.kind where wh = $w", false},
		{"other webhooks for an event", "update @.event set fan = '[1234567]' where merchant = 'merchant_0'", false},
		{"garbage for the webhooks of an event", "update @.event set fan = '{\"a\": [\"b\"]}' where merchant = 'merchant_0'", false},
		{"not in line", "update @.ready set turn = null where wh = $w", false},
	}, damages...)
)

// on makes damages of statements.
func on(db *sql.DB, tables string, list []damage) (out []storetest.Damage) {
	for _, d := range list {
		out = append(out, storetest.Damage{Name: d.name, Told: d.told, Do: func(ctx context.Context, of storetest.Victim) error {
			event := func(s storetest.Sent) string {
				return "(select id from @.event where merchant = '" + of.MerchantID + "' and eid = '" + s.EventID + "')"
			}
			text := strings.NewReplacer(
				"$waiting", event(of.Waiting), "$again", event(of.Again), "$leased", event(of.Leased), "$finished", event(of.Finished), "$ended", event(of.Ended),
				"$w", "(select wh from @.webhook where merchant = '"+of.MerchantID+"' and wid = '"+of.WebhookID+"')",
			).Replace(d.statement)
			r, err := db.ExecContext(ctx, strings.ReplaceAll(text, "@.", tables))
			if err != nil {
				return err
			}
			if n, err := r.RowsAffected(); err != nil || n > 0 {
				return err
			}
			return errors.New("there is nothing to damage")
		}})
	}
	return out
}

func TestDamageOfPostgres(t *testing.T) {
	t.Parallel()
	storetest.RunDamage(t, func(t *testing.T) storetest.Harness {
		t.Helper()
		c := newClock()
		st, db, schema := several.OpenTables(t, c.now)
		return storetest.Harness{Store: st, Advance: c.advance, Damages: on(db, schema+".", damagesOfPostgres)}
	})
}

func TestDamageOfSQLite(t *testing.T) {
	t.Parallel()
	storetest.RunDamage(t, func(t *testing.T) storetest.Harness {
		t.Helper()
		c := newClock()
		db := sqltest.SQLite(t, 4)
		return storetest.Harness{Store: sqltest.OpenSQLite(t, db, c.now), Advance: c.advance, Damages: on(db, "webhooks_", damagesOfSQLite)}
	})
}

// TestSQLiteTakesNoDamage asks SQLite itself for what its tables make impossible.
func TestSQLiteTakesNoDamage(t *testing.T) {
	t.Parallel()
	db := sqltest.SQLite(t, 1)
	st := sqltest.OpenSQLite(t, db, newClock().now)
	_, err := st.AddJob(t.Context(), "merchant", store.Job{ID: "job", Scope: "scope"})
	require.NoError(t, err)
	for _, s := range []string{
		"update webhooks_job set visible = 'garbage'",
		"update webhooks_job set visible = null",
		"update webhooks_job set state = 'garbage'",
		"insert into webhooks_queue (wh, id, event, due, test) values (1, 2, 3, 'garbage', 0)",
		"insert into webhooks_event values (1, 'm', 'e', 't', '', '', 0, 0, '[1', x'00')",
		"insert into webhooks_claimed values ('key', 1, '[[1')",
	} {
		_, err := db.ExecContext(t.Context(), s)
		require.ErrorContains(t, err, "constraint", s)
	}
}
