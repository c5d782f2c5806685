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

// mutants are faults that somebody could make. Each must break a promise of storetest or
// a sentence of the layout.
var mutants = []struct{ name, script, before, after string }{
	{"no token check", "finish", "if sub(rec, 1, 6) ~= token or token == '\\0\\0\\0\\0\\0\\0' then return 3 end", ""},
	{"results accepted twice", "finish", "if state == 3 then return 2 end", ""},
	{"what has ended is stale", "finish", "sub(s, 9, 14) == token and token ~= '\\0\\0\\0\\0\\0\\0' and 2 or 3", "3"},
	{"no reclaim", "claim", "local walking = walk()\nsettle_claims()", "local walking = walk()"},
	{"reclaims not counted", "claim", "reclaims = math.min(reclaims + 1, 65535)", "reclaims = reclaims + 0"},
	{"faults not counted", "finish", "if byte(s, 8) == 1 then", "if false then"},
	{"the epoch of before", "finish", "if sunpack('>I4', rec, 10) == t[EPOCH] then code", "if true then code"},
	{"half an event", "publish", "for j = 1, #list, 2 do\n    local t = states", "for j = 1, math.min(#list, 2), 2 do\n    local t = states"},
	{"another event with its id", "publish", "if print ~= sub(q.print, 1, 16) then return 2, '', 0 end", ""},
	{"room is not counted", "claim", "math.min(per - t[LEASED], limit - taken)", "math.min(per, limit - taken)"},
	{"a place that gets free offers nothing", "finish", "elseif full or #into.again > 0 then", "elseif #into.again > 0 then"},
	{"a retry offers nothing", "finish", "elseif full or #into.again > 0 then", "elseif full then"},
	{"tests wait like others", "claim", "if t[ACTIVE] == 0 then return out, lost end\n  room", "if t[ACTIVE] == 0 then return {}, lost end\n  room"},
	{"paused deliveries go on", "claim", "if t[ACTIVE] == 0 then return out, lost end\n  room", "room"},
	{"fresh ones before what is due longer", "claim", "created <= tonumber(seqs[2 * j])", "true"},
	{"what waits again before fresh ones", "claim", "created <= tonumber(seqs[2 * j])", "false"},
	{"visited webhooks keep their place", "claim", "local at = t[PARKED] == 0 and due(t, now)\n  if at", "local at = t[PARKED] == 0 and due(t, now) and 1\n  if at"},
	{"bytes are not counted", "claim", "ahead = ahead - d.size", "ahead = ahead"},
	{"a claim is not repeated", "claim", "if #records > 0 or how == 'again' then return finish(1, 0) end", "records, order, hooks, events, event_at = {}, {}, {}, {}, {}"},
	{"a repeated claim has what is finished", "claim", "if rec and sub(rec, 1, 7) == sub(claim, 1, 6) .. '\\1' and", "if rec and"},
	{"subscribed when disabled", "finish", "subscribe(x.m, x.id, t.n, x.ev, false)", ""},
	{"the streak began with its last failure", "finish", "if t[STREAK] == 1 then x.fs", "if true then x.fs"},
	{"disabled too early", "finish", "or now - x.fs < lasted then", "then"},
	{"no notice of a disabling", "finish", "add_notice(t.n, x.m", "if false then add_notice(t.n, x.m"},
	{"disablings are not counted", "finish", "x.db + 1", "x.db"},
	{"nowhere to stand", "finish", "if was == 0 and t[TOLD] == 0 then return 0 end", "if true then return 0 end"},
	{"attempts are not counted", "finish", "t[TRIES] = t[TRIES] + 1", ""},
	{"what ended is pending", "finish", "t[PENDING] = t[PENDING] - 1", ""},
	{"what is repeated is pending twice", "finish", "difference = difference - #into.gone", ""},
	{"a notice cannot be put off", "notices", "call('ZADD', P .. 'nv', text(now + num()), id)", "num()"},
	{"who has lost a notice puts it off", "notices", "elseif notice[2] == num() then", "elseif num() then"},
	{"claims of a notice are not counted", "notices", "notice[2] + 1, text", "notice[2] + 0, text"},
	{"the mark is not compared", "notices", "if (x[1] or '') ~= before then return { 'OK', 0 } end", ""},
	{"a delete leaves notices", "delete", "for _, notice in ipairs(call('ZRANGE', key('nw', n), 0, -1)) do forget_notice(notice) end", ""},
	{"bodies go too early", "prune", "if ok and keep then return false end", ""},
	{"what was kept is forgotten", "prune", "call('ZADD', key('u', M), gone + taken, el)", "call('ZADD', key('u', M), 0, 'x')"},
	{"too young events go", "prune", "if done >= limit or #el >= 6 and sunpack('>I6', el) >= before then break end", "if done >= limit then break end"},
	{"deliveries go too early", "prune", "young = young or i > left or #s >= 8 and sunpack('>I6', s, 3) >= before", "young = i > left"},
	{"what was pruned is not noted", "prune", "if youngest >", "if 0 >"},
	{"leased ones are ended with the paused", "prune", "for _, rec in ipairs(call('HMGET', A, unpack(names))) do\n      if rec then return end", "for _, rec in ipairs(call('HMGET', A, unpack(names))) do\n      if false then return end"},
	{"paused deliveries of any age end", "prune", "if fine and created >= before or done >= limit then", "if done >= limit then"},
	{"enqueued without a bound of the nonce", "enqueue", "if sub(all, i, i + 7) == nonce then", "if false then"},
	{"merchants share webhooks", "lib", "call('HGET', key('m', esc(merchant)), webhook)", "call('HGET', key('m', 'all'), webhook)"},
	{"any owner settles", "finish", "t[OWNER] == owners[g]", "true"},
	{"any holder commits", "seen", "local mine = s and s[1] == holder", "local mine = s"},
	{"no token is taken", "claim", "level, t[LEVEL], t[TAKEN] = level - COST, level - COST, now", "level = level - COST"},
	{"tokens are not counted", "claim", "room = math.min(room, math.floor(level / COST))", "room = room"},
	{"a bucket is never refilled", "claim", "t[RATE] * math.max(now - t[TAKEN], 0)", "0"},
	{"Next ignores the bucket", "lib", "if t[RATE] == 0 or t[LEVEL] >= COST then return at end", "if true then return at end"},
	{"Next is a second late", "lib", "math.ceil((COST - t[LEVEL]) / t[RATE])", "math.ceil((COST - t[LEVEL]) / t[RATE]) + 1000"},
	{"the same rate fills the bucket", "save", "if rate ~= t[RATE] then", "if true then"},
	{"an enabling keeps the streak", "save", "t[EPOCH], t[STREAK] = t[EPOCH] + 1, 0", "t[EPOCH] = t[EPOCH] + 1"},
	{"versions are not compared", "save", "if version > 0 and tonumber(x[2]) ~= version then", "if false then"},
	{"a cursor leaves one out", "deliveries", "reply[4] = seq + 1", "reply[4] = seq"},
	{"pending ones are not listed", "deliveries", "if rec then out[missing[i]] = { 'a', rec } end", ""},
}

// mutantSequences is how many random sequences a mutant must not survive.
const mutantSequences = 60

// TestMutants shows that the conformance suite sees each fault.
func TestMutants(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	self, err := os.Executable()
	require.NoError(t, err)
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestMutant$", "-test.timeout", "5m")
			cmd.Env = append(os.Environ(), mutantVariable+"="+m.name, addrVariable+"="+server.Addr)
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "nothing noticed the fault; %s", out)
			require.Contains(t, string(out), "broken promise")
			require.NotContains(t, string(out), "panic: ")
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
		storetest.RunDifferential(t, func(t *testing.T) storetest.Harness {
			t.Helper()
			c := newClock()
			st, err := redisstore.OpenMutant(t.Context(), client, &redisstore.Options{Prefix: redistest.Prefix(), Now: c.now}, m.script, m.before, m.after)
			require.NoError(t, err)
			return storetest.Harness{Store: st, Advance: c.advance, Audit: st.Audit}
		}, mutantSequences)
	}
}
