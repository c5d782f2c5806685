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

// mutants are faults that somebody could make. Each must break a promise in one
// of the groups of storetest that its cases name.
var mutants = []struct {
	name, script, before, after, cases string
}{
	{"no token check", "finish", "if r[TOKEN] == 0 or r[SEQ] * 65536 + r[TOKEN] ~= token then return 3 end", "", "interleavings"},
	{"results accepted twice", "finish", "if r[OPEN] ~= 1 then return 2 end", "", "finish"},
	{"no reclaim", "claim", "if n then recovered = recovered + 1 + recover(n) end", "n = nil", "expiry"},
	{"reclaims not counted", "claim", "if r[OPEN] == 1 then r[RECLAIMS] = r[RECLAIMS] + 1 end", "", "expiry"},
	{"the epoch of before", "finish", "if r[EPOCH] == w.ep then", "if true then", "interleavings"},
	{"half an event", "publish", "deliver(s[2], ids[j], id, type, test ~= '')", "if j == 1 then deliver(s[2], ids[j], id, type, test ~= '') end", "publish"},
	{"an event twice in one call", "publish", "heads[k] = h", "", "publish"},
	{"another event with its id", "publish", "elseif h then", "elseif false then", "publish"},
	{"counter outside", "finish", "elseif w.tried then", "elseif false then", "history"},
	{"ready not updated on retry", "finish", "offer(w.n, w.st == 'active', w.rl)", "if next(w.f) then offer(w.n, w.st == 'active', w.rl) end", "claim"},
	{"room is not counted", "claim", "per - leased", "per", "claim"},
	{"tests wait like others", "claim", "if test and test <= now and room > 0 then", "if active then take(key('q', n)) end\n  if test and test <= now and room > 0 then", "claim"},
	{"paused deliveries go on", "claim", "if active then take(key('q', n)) end", "take(key('q', n))", "claim"},
	{"subscribed when disabled", "finish", "subscribe(esc(w.m), w.id, w.n, cmsgpack.unpack(call('HGET', key('w', w.n), 'ev')), false)", "", "streak"},
	{"two notices", "finish", "if w.st ~= 'active' then return false end", "", "streak"},
	{"no warning in a batch", "finish", "tell(w, 'warning', '', threshold)", "if #results == 16 then tell(w, 'warning', '', threshold) end", "warnings"},
	{"warned at each failure", "finish", "and al[EPOCH_OF] ~= w.ep", "", "warnings"},
	{"warned once for ever", "finish", "and al[EPOCH_OF] ~= w.ep", "and al[EPOCH_OF] == 0", "warnings"},
	{"no pause between warnings", "finish", "or now - al[WARNED] >= pause", "or true", "warnings"},
	{"a recovery at each success", "finish", "and w.al and w.al[EPOCH_OF] ~= 0 then tell", "then tell", "warnings"},
	{"a disabled webhook recovers", "finish", "if w.st == 'active' and w.al and", "if w.al and", "warnings"},
	{"recoveries are not counted", "finish", "al[ROUND] + 1", "al[ROUND]", "warnings"},
	{"the streak began with its last failure", "finish", "if w.cf == 0 or not w.fs then w.fs = now end", "w.fs = now", "warnings"},
	{"the first streak of an alarm is forgotten", "finish", "if al[EPOCH_OF] == 0 then al[SINCE] = w.fs end", "al[SINCE] = w.fs", "warnings"},
	{"a batch keeps the streak's beginning", "finish", "or w.fs ~= w.began", "", "warnings"},
	{"a notice cannot be put off", "defer", "call('ZADD', P .. 'nv', now + delay, notice)", "", "notices"},
	{"who has lost a notice puts it off", "defer", "== token", "~= -1", "notices"},
	{"claims of a notice are not counted", "notices", "call('HINCRBY', P .. 'nt', found[i][1], 1)", "1", "notices"},
	{"events wait for ever", "finish", "for _, name in ipairs(event_order) do expect(name, settled[name], idle) end", "", "prune"},
	{"bodies go too early", "finish", "(settled[name] or 0) - 1", "(settled[name] or 0) - 2", "prune"},
	{"merchants share webhooks", "lib", "call('HGET', key('m', esc(merchant)), webhook)", "call('HGET', key('m', 'all'), webhook)", "isolation"},
	{"a delete leaves notices", "delete", "for _, notice in ipairs(call('ZRANGE', key('nw', n), 0, -1)) do forget_notice(notice) end", "", "webhooks"},
	{"any holder commits", "seen", "local mine = s and s[1] == holder", "local mine = s", "seen"},
	{"nobody is woken", "lib", "if woken then call('PUBLISH', CHANNEL, '') end", "", "watch$/^release"},
	{"no token is taken", "claim", "call('HSET', key('w', n), 'rl', rl)", "", "rate"},
	{"tokens are not counted", "claim", "room = math.min(room, math.floor(level / COST))", "", "rate"},
	{"a bucket is never refilled", "claim", "rate * math.max(now - since, 0)", "0", "rate"},
	{"a bucket grows for ever", "claim", "math.min(left + rate * math.max(now - since, 0), rate * COST)", "left + rate * math.max(now - since, 0)", "rate"},
	{"Next ignores the bucket", "lib", "return at and allowed(at, rl) or nil", "return at or nil", "rate"},
	{"Next is rounded down", "lib", "math.ceil((COST - level) / rate)", "math.floor((COST - level) / rate)", "rate"},
	{"Next is a second late", "lib", "taken + math.ceil((COST - level) / rate)", "taken + math.ceil((COST - level) / rate) + 1000", "rate"},
	{"a claim forgets its tokens", "claim", "due_at(n, active, rl, leased", "due_at(n, active, w[11], leased", "rate"},
	{"a reclaim ignores the bucket", "claim", "offer(n, active, w[2])", "offer(n, active)", "rate"},
	{"publishing ignores the bucket", "publish", "allowed(now, f[2])", "now", "rate"},
	{"a lease is not held", "claim", "call('ZADD', HELD, 'LT', lease_end, n)", "", "expiry"},
	{"surplus is not counted", "finish", "call('ZINCRBY', P .. 'full', ended, w.n)", "", "prune"},
	{"age is not counted", "finish", "call('ZADD', P .. 'old', 'LT', NOW, w.n)", "", "prune"},
	{"an event's age is wrong", "lib", "CREATED_AT, UINT64, INT64 = 80, 88,", "CREATED_AT, UINT64, INT64 = 80, 80,", "prune"},
	{"a result ignores the bucket", "finish", "offer(w.n, w.st == 'active', w.rl)", "offer(w.n, w.st == 'active')", "rate"},
	{"the same rate fills the bucket", "update", "rate and rate ~= (rl and bucket(rl) or 0)", "rate", "rate"},
	{"another rate wakes nobody", "update", "if another or status ~= before then", "if status ~= before then", "watch$/^another_rate"},
	{"headers are not resealed", "update", "if reseal == '1' then put('hd', new_headers) end", "", "settings"},
	{"headers are not compared", "update", "or (w[8] or '') ~= old_headers", "", "settings"},
	{"nothing is cleared", "update", "else call('HDEL', wk, name) end", "end", "settings"},
	{"leases have no headers", "claim", "w[10] or ''", "''", "settings"},
	{"what ended is pending", "finish", "tally()\nwake()", "wake()", "backlog"},
	{"what was published is not pending", "publish", "difference + #to", "difference", "backlog"},
	{"a repetition is not pending", "enqueue", "  tally()\n", "", "backlog"},
	{"what was given up is pending", "prune", "  tally()\n", "", "backlog"},
	{"what was deleted is pending", "collect", "tally()\n", "", "backlog"},
	{"leases that ended are not due", "backlog", "soonest()", "first(READY)", "backlog"},
	{"no traces", "claim", "== TRACED", "== 0", "trace"},
	{"versions are not compared", "update", "if version ~= 0 and", "if false and", "update"},
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
			cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestMutant$/^"+m.cases+"$", "-test.timeout", "2m")
			cmd.Env = append(os.Environ(), mutantVariable+"="+m.name, addrVariable+"="+server.Addr)
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "nothing noticed the fault; %s", out)
			require.Contains(t, string(out), "broken promise")
		})
	}
}

// TestMutant is what the processes of TestMutants run.
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
			c := newClock()
			st, err := redisstore.NewMutant(client, &redisstore.Options{Prefix: redistest.Prefix(), Now: c.now}, m.script, m.before, m.after)
			require.NoError(t, err)
			return storetest.Harness{Store: st, Advance: c.advance}
		})
	}
}
