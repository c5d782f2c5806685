//go:build !race

package redisstore_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/store/storetest"
)

// Variables for the process that plays a mutant.
const (
	mutantVariable = "WEBHOOK_TEST_MUTANT"
	addrVariable   = "WEBHOOK_TEST_MUTANT_ADDR"
)

// differential is the random sequences, which find most faults within a few.
const differential = "differential"

// mutants are faults that somebody could make. Each must break a promise that the
// suite asks for.
var mutants = []struct {
	by                          string // what finds it: a case, or the random sequences
	name, script, before, after string
}{
	{differential, "no token check", "finish", "if r[TOKEN] == 0 or r[TOKEN] ~= token then return 3 end", ""},
	{differential, "results accepted twice", "finish", "if r[OPEN] ~= 1 then return 2 end", ""},
	{differential, "no reclaim", "claim", "if n then recovered = recovered + 1 + recover(n) end", "n = nil"},
	{differential, "reclaims not counted", "claim", "if r[OPEN] == 1 then r[RECLAIMS] = r[RECLAIMS] + 1 end", ""},
	{differential, "the epoch of before", "finish", "if r[EPOCH] == w.ep then", "if true then"},
	{differential, "half an event", "publish", "deliver(s[2], delivery, id, type, test ~= '')", "if j == 1 then deliver(s[2], delivery, id, type, test ~= '') end"},
	{differential, "an event twice in one call", "publish", "heads[k] = h", ""},
	{differential, "another event with its id", "publish", "elseif h then", "elseif false then"},
	{differential, "counter outside", "finish", "elseif w.tried then", "elseif false then"},
	{differential, "ready not updated on retry", "finish", "offer(w.n, w.st == 'active', w.rl, w.since)", "if w.f then offer(w.n, w.st == 'active', w.rl, w.since) end"},
	{differential, "room is not counted", "claim", "per - leased", "per"},
	{differential, "tests wait like others", "claim", "if test and test <= now and room > 0 then", "if active then take(key('q', n)) end\n  if test and test <= now and room > 0 then"},
	{differential, "paused deliveries go on", "claim", "if active then take(key('q', n)) end", "take(key('q', n))"},
	{differential, "subscribed when disabled", "finish", "subscribe(esc(w.m), w.id, w.n, cmsgpack.unpack(f[1]), false)", ""},
	{differential, "two notices", "finish", "if w.st ~= 'active' or threshold == 0", "if threshold == 0"},
	{differential, "the streak began with its last failure", "finish", "if w.cf == 0 then w.fs = now end", "w.fs = now"},
	{differential, "a batch keeps the streak's beginning", "finish", "or w.fs ~= w.began", ""},
	{differential, "a notice cannot be put off", "defer", "call('ZADD', P .. 'nv', now + delay, notice)", ""},
	{differential, "who has lost a notice puts it off", "defer", "== token", "~= -1"},
	{differential, "claims of a notice are not counted", "notices", "call('HINCRBY', P .. 'nt', found[i][1], 1)", "1"},
	{differential, "events wait for ever", "finish", "for _, name in ipairs(event_order) do expect(name, settled[name], idle) end", ""},
	{differential, "bodies go too early", "finish", "(settled[name] or 0) - 1", "(settled[name] or 0) - 2"},
	{differential, "merchants share webhooks", "lib", "call('HGET', key('m', esc(merchant)), webhook)", "call('HGET', key('m', 'all'), webhook)"},
	{differential, "a delete leaves notices", "delete", "for _, notice in ipairs(call('ZRANGE', key('nw', n), 0, -1)) do forget_notice(notice) end", ""},
	{differential, "any holder commits", "seen", "local mine = s and s[1] == holder", "local mine = s"},
	{"watch/woken", "nobody is woken", "lib", "if woken then call('PUBLISH', CHANNEL, '') end", ""},
	{differential, "no token is taken", "claim", "call('HSET', key('w', n), 'rl', rl)", ""},
	{differential, "tokens are not counted", "claim", "room = math.min(room, math.floor(level / COST))", ""},
	{differential, "a bucket is never refilled", "claim", "rate * math.max(now - since, 0)", "0"},
	{differential, "a bucket grows for ever", "claim", "math.min(left + rate * math.max(now - since, 0), rate * COST)", "left + rate * math.max(now - since, 0)"},
	{differential, "Next ignores the bucket", "lib", "return at and allowed(at, rl) or nil", "return at or nil"},
	{"rate/to_the_millisecond", "Next is rounded down", "lib", "math.ceil((COST - level) / rate)", "math.floor((COST - level) / rate)"},
	{differential, "Next is a second late", "lib", "taken + math.ceil((COST - level) / rate)", "taken + math.ceil((COST - level) / rate) + 1000"},
	{differential, "a lease is not held", "claim", "call('ZADD', HELD, 'LT', lease_end, n)", ""},
	{"prune/by_count", "surplus is not counted", "finish", "call('ZINCRBY', P .. 'full', ended, w.n)", ""},
	{differential, "age is not counted", "finish", "call('ZADD', P .. 'old', 'LT', NOW, w.n)", ""},
	{differential, "an event's age is wrong", "lib", "CREATED_AT, UINT64, INT64 = 80, 88,", "CREATED_AT, UINT64, INT64 = 80, 80,"},
	{differential, "a result ignores the bucket", "finish", "offer(w.n, w.st == 'active', w.rl, w.since)", "offer(w.n, w.st == 'active', nil, w.since)"},
	{differential, "the same rate fills the bucket", "update", "rate and rate ~= (rl and bucket(rl) or 0)", "rate"},
	{differential, "another rate wakes nobody", "update", "if another or status ~= before then", "if status ~= before then"},
	{differential, "headers are not resealed", "update", "if reseal == '1' then put('hd', new_headers) end", ""},
	{differential, "headers are not compared", "update", "or (w[8] or '') ~= old_headers", ""},
	{differential, "nothing is cleared", "update", "else call('HDEL', wk, name) end", "end"},
	{differential, "leases have no headers", "claim", "w[10] or ''", "''"},
	{differential, "what ended is pending", "finish", "tally()\nwake()", "wake()"},
	{differential, "what was published is not pending", "publish", "difference + #to", "difference"},
	{differential, "a repetition is not pending", "enqueue", "  tally()\n", ""},
	{differential, "what was given up is pending", "prune", "  tally()\n", ""},
	{differential, "what was deleted is pending", "collect", "tally()\n", ""},
	{differential, "leases that ended are not due", "backlog", "first(HELD) or now", "now"},
	{differential, "no traces", "publish", "trace ~= '' and trace or nil", "nil"},
	{differential, "versions are not compared", "update", "if version ~= 0 and", "if false and"},
	{differential, "deliveries of before are forgotten", "publish", "#h[6], 4", "0, 4"},
	{differential, "disabled after a moment of failures", "finish", "or now - w.fs < span", ""},
	{differential, "disablings are not counted", "finish", "'wk', 0, 'db', w.db)", "'wk', 0)"},
	{differential, "no word of a mark", "finish", "w.db > 0 or w.mk ~= ''", "w.db > 0"},
	{differential, "no word of a disabling of before", "finish", "w.db > 0 or w.mk ~= ''", "w.mk ~= ''"},
	{differential, "a notice for any mark", "addnotice", "if (call('HGET', key('w', n), 'mk') or '') ~= before then return { 'OK', 0 } end", ""},
	{differential, "a mark stays", "addnotice", "call('HSET', key('w', n), 'mk', after)", ""},
	{differential, "who was visited stays first", "claim", "at > now and at or NOW, n", "at, n"},
	{differential, "a result costs the place", "lib", "call('ZADD', READY, 'LT', at == now and NOW or at, n)", "call('ZADD', READY, at, n)"},
	{differential, "a place that is free counts from before", "lib", "math.max(at, since or now)", "at"},
	{differential, "bytes are not counted", "claim", "spent = spent + size", ""},
	{differential, "a large event waits for ever", "claim", "spent > 0 and spent + size > budget", "spent + size > budget"},
	{differential, "a large event has company", "claim", "or taken > 0 and spent > budget", ""},
	{differential, "what does not fit is lost", "claim", "unpack(ids, 1, last)", "unpack(ids)"},
	{differential, "a claim is not noted", "claim", "taken > 0 or how == 2", "false"},
	{differential, "a lease that ended is answered again", "claim", " and time_of(r) > now", ""},
	{differential, "a settled lease is answered again", "claim", "r[OPEN] == 1 and r[TOKEN]", "r[TOKEN]"},
	{differential, "somebody else's lease is answered", "claim", " and r[TOKEN] == list[i + 2]", ""},
	{differential, "nothing is forged", "publish", "(forged == '1' and FORGED or 0)", "0"},
	{"publish/once_more,_too_often", "repeated without end", "enqueue", "#before >= 12 * most", "false"},
	{differential, "a nonce makes two", "enqueue", "== mark then", "== '' then"},
	{differential, "a page begins anew", "deliveries", " and seq < below", ""},
	{differential, "a page of webhooks begins anew", "webhooks", "after ~= '' and '(' .. after or '-'", "'-'"},
	{differential, "a filter is for the first page", "webhooks", "if not active or", "if not active or after ~= '' or"},
	{differential, "a merchant is not listed", "create", "call('ZADD', P .. 'ms', 0, merchant)", ""},
	{differential, "a merchant is listed for ever", "delete", "if call('EXISTS', key('m', M)) == 0 then call('ZREM', P .. 'ms', merchant) end", ""},
	{"prune/by_count", "what ended first goes first", "prune", "made_first(n, math.min(call('ZCARD', key('f', n)) - bound, limit - done))", "call('ZRANGE', key('f', n), 0, math.min(call('ZCARD', key('f', n)) - bound, limit - done) - 1)"},
}

// TestMutants shows that the conformance suite sees each fault.
func TestMutants(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	self, err := os.Executable()
	require.NoError(t, err)
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			finder := "^" + strings.ReplaceAll("TestMutant/"+m.by, "/", "$/^") + "$"
			cmd := exec.CommandContext(t.Context(), self, "-test.run", finder, "-test.v", "-test.timeout", "10m")
			cmd.Env = append(os.Environ(), mutantVariable+"="+m.name, addrVariable+"="+server.Addr)
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "nothing noticed the fault")
			require.Contains(t, string(out), "broken promise")
		})
	}
}

// TestMutant is what the processes of TestMutants run. It ends with the first failure.
func TestMutant(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		if m.name != os.Getenv(mutantVariable) {
			continue
		}
		client := redis.NewClient(&redis.Options{Addr: os.Getenv(addrVariable), ContextTimeoutEnabled: true})
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		storetest.Run(t, func(t *testing.T) storetest.Harness {
			t.Helper()
			t.Cleanup(func() {
				if t.Failed() {
					os.Exit(1)
				}
			})
			c := newClock()
			st, err := redisstore.OpenMutant(t.Context(), client, &redisstore.Options{Prefix: redistest.Prefix(), Now: c.now}, m.script, m.before, m.after)
			require.NoError(t, err)
			return storetest.Harness{Store: st, Advance: c.advance}
		})
	}
}
