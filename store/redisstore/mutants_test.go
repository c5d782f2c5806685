package redisstore_test

import (
	"os"
	"os/exec"
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

// mutants are faults that somebody could make. Each must break a promise that the
// suite asks for.
var mutants = []struct {
	name, script, before, after string
}{
	{"no token check", "finish", "if r[TOKEN] == 0 or r[TOKEN] ~= token then return 3 end", ""},
	{"results accepted twice", "finish", "if r[OPEN] ~= 1 then return 2 end", ""},
	{"no reclaim", "claim", "if n then recovered = recovered + 1 + recover(n) end", "n = nil"},
	{"reclaims not counted", "claim", "if r[OPEN] == 1 then r[RECLAIMS] = r[RECLAIMS] + 1 end", ""},
	{"the epoch of before", "finish", "if r[EPOCH] == w.ep then", "if true then"},
	{"half an event", "publish", "deliver(s[2], delivery, id, type, test ~= '')", "if j == 1 then deliver(s[2], delivery, id, type, test ~= '') end"},
	{"an event twice in one call", "publish", "heads[k] = h", ""},
	{"another event with its id", "publish", "elseif h then", "elseif false then"},
	{"counter outside", "finish", "elseif w.tried then", "elseif false then"},
	{"ready not updated on retry", "finish", "offer(w.n, w.st == 'active', w.rl, w.since)", "if w.f then offer(w.n, w.st == 'active', w.rl, w.since) end"},
	{"room is not counted", "claim", "per - leased", "per"},
	{"tests wait like others", "claim", "if test and test <= now and room > 0 then", "if active then take(key('q', n)) end\n  if test and test <= now and room > 0 then"},
	{"paused deliveries go on", "claim", "if active then take(key('q', n)) end", "take(key('q', n))"},
	{"subscribed when disabled", "finish", "subscribe(esc(w.m), w.id, w.n, cmsgpack.unpack(f[1]), false)", ""},
	{"two notices", "finish", "if w.st ~= 'active' or threshold == 0", "if threshold == 0"},
	{"the streak began with its last failure", "finish", "if w.cf == 0 then w.fs = now end", "w.fs = now"},
	{"a batch keeps the streak's beginning", "finish", "or w.fs ~= w.began", ""},
	{"a notice cannot be put off", "defer", "call('ZADD', P .. 'nv', now + delay, notice)", ""},
	{"who has lost a notice puts it off", "defer", "== token", "~= -1"},
	{"claims of a notice are not counted", "notices", "call('HINCRBY', P .. 'nt', found[i][1], 1)", "1"},
	{"events wait for ever", "finish", "for _, name in ipairs(event_order) do expect(name, settled[name], idle) end", ""},
	{"bodies go too early", "finish", "(settled[name] or 0) - 1", "(settled[name] or 0) - 2"},
	{"merchants share webhooks", "lib", "call('HGET', key('m', esc(merchant)), webhook)", "call('HGET', key('m', 'all'), webhook)"},
	{"a delete leaves notices", "delete", "for _, notice in ipairs(call('ZRANGE', key('nw', n), 0, -1)) do forget_notice(notice) end", ""},
	{"any holder commits", "seen", "local mine = s and s[1] == holder", "local mine = s"},
	{"nobody is woken", "lib", "if woken then call('PUBLISH', CHANNEL, '') end", ""},
	{"no token is taken", "claim", "call('HSET', key('w', n), 'rl', rl)", ""},
	{"tokens are not counted", "claim", "room = math.min(room, math.floor(level / COST))", ""},
	{"a bucket is never refilled", "claim", "rate * math.max(now - since, 0)", "0"},
	{"a bucket grows for ever", "claim", "math.min(left + rate * math.max(now - since, 0), rate * COST)", "left + rate * math.max(now - since, 0)"},
	{"Next ignores the bucket", "lib", "return at and allowed(at, rl) or nil", "return at or nil"},
	{"Next is rounded down", "lib", "math.ceil((COST - level) / rate)", "math.floor((COST - level) / rate)"},
	{"Next is a second late", "lib", "taken + math.ceil((COST - level) / rate)", "taken + math.ceil((COST - level) / rate) + 1000"},
	{"a lease is not held", "claim", "call('ZADD', HELD, 'LT', lease_end, n)", ""},
	{"surplus is not counted", "finish", "call('ZINCRBY', P .. 'full', ended, w.n)", ""},
	{"age is not counted", "finish", "call('ZADD', P .. 'old', 'LT', NOW, w.n)", ""},
	{"an event's age is wrong", "lib", "CREATED_AT, UINT64, INT64 = 80, 88,", "CREATED_AT, UINT64, INT64 = 80, 80,"},
	{"a result ignores the bucket", "finish", "offer(w.n, w.st == 'active', w.rl, w.since)", "offer(w.n, w.st == 'active', nil, w.since)"},
	{"the same rate fills the bucket", "update", "rate and rate ~= (rl and bucket(rl) or 0)", "rate"},
	{"another rate wakes nobody", "update", "if another or status ~= before then", "if status ~= before then"},
	{"headers are not resealed", "update", "if reseal == '1' then put('hd', new_headers) end", ""},
	{"headers are not compared", "update", "or (w[8] or '') ~= old_headers", ""},
	{"nothing is cleared", "update", "else call('HDEL', wk, name) end", "end"},
	{"leases have no headers", "claim", "w[10] or ''", "''"},
	{"what ended is pending", "finish", "tally()\nwake()", "wake()"},
	{"what was published is not pending", "publish", "difference + #to", "difference"},
	{"a repetition is not pending", "enqueue", "  tally()\n", ""},
	{"what was given up is pending", "prune", "  tally()\n", ""},
	{"what was deleted is pending", "collect", "tally()\n", ""},
	{"leases that ended are not due", "backlog", "first(HELD) or now", "now"},
	{"no traces", "publish", "trace ~= '' and trace or nil", "nil"},
	{"versions are not compared", "update", "if version ~= 0 and", "if false and"},
	{"deliveries of before are forgotten", "publish", "#h[6], 4", "0, 4"},
	{"disabled after a moment of failures", "finish", "or now - w.fs < span", ""},
	{"disablings are not counted", "finish", "'wk', 0, 'db', w.db)", "'wk', 0)"},
	{"no word of a mark", "finish", "w.db > 0 or w.mk ~= ''", "w.db > 0"},
	{"no word of a disabling of before", "finish", "w.db > 0 or w.mk ~= ''", "w.mk ~= ''"},
	{"a notice for any mark", "addnotice", "if (call('HGET', key('w', n), 'mk') or '') ~= before then return { 'OK', 0 } end", ""},
	{"a mark stays", "addnotice", "call('HSET', key('w', n), 'mk', after)", ""},
	{"who was visited stays first", "claim", "at > now and at or NOW, n", "at, n"},
	{"a result costs the place", "lib", "call('ZADD', READY, 'LT', at == now and NOW or at, n)", "call('ZADD', READY, at, n)"},
	{"a place that is free counts from before", "lib", "math.max(at, since or now)", "at"},
	{"bytes are not counted", "claim", "spent = spent + size", ""},
	{"a large event waits for ever", "claim", "spent > 0 and spent + size > budget", "spent + size > budget"},
	{"a large event has company", "claim", "or taken > 0 and spent > budget", ""},
	{"what does not fit is lost", "claim", "unpack(ids, 1, last)", "unpack(ids)"},
	{"a claim is not noted", "claim", "taken > 0 or how == 2", "false"},
	{"a lease that ended is answered again", "claim", " and time_of(r) > now", ""},
	{"a settled lease is answered again", "claim", "r[OPEN] == 1 and r[TOKEN]", "r[TOKEN]"},
	{"somebody else's lease is answered", "claim", " and r[TOKEN] == list[i + 2]", ""},
	{"nothing is forged", "publish", "(forged == '1' and FORGED or 0)", "0"},
	{"repeated without end", "enqueue", "#before >= 12 * most", "false"},
	{"a nonce makes two", "enqueue", "== mark then", "== '' then"},
	{"a page begins anew", "deliveries", " and seq < below", ""},
	{"a page of webhooks begins anew", "webhooks", "after ~= '' and '(' .. after or '-'", "'-'"},
	{"a filter is for the first page", "webhooks", "if not active or", "if not active or after ~= '' or"},
	{"a merchant is not listed", "create", "call('ZADD', P .. 'ms', 0, merchant)", ""},
	{"what ended first goes first", "prune", "made_first(n, math.min(call('ZCARD', key('f', n)) - bound, limit - done))", "call('ZRANGE', key('f', n), 0, math.min(call('ZCARD', key('f', n)) - bound, limit - done) - 1)"},
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
			cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestMutant$", "-test.v", "-test.timeout", "10m")
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
