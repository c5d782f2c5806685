-- What every script begins with. It holds no state between calls.
--
-- KEYS[1]  the shard's key `id`
-- KEYS[#]  one that never exists, so that nothing runs while a Cluster moves the slot
-- ARGV[1]  what the shard's keys begin with, such as "wh:{00}:"
-- ARGV[2]  the time in Unix milliseconds, 0 for the server's clock
-- ARGV[3]  the channel that wakes claimers
-- ARGV[4]  the id of the layout
-- Reply    an array: "OK" and what the script names, or the word of an error and a text
--
-- n numbers a webhook within its shard, from 1, never twice. seq numbers the deliveries of
-- a webhook, from 1. A page is a hundred of them: floor(seq / 100). M and E are the escaped
-- ids of a merchant and an event. A delivery is in one place at a time: an element of q
-- until its first claim, a field of a until it has ended (and a member of z or y while it
-- waits again), then an element of l. What is shared by all webhooks is one hash, so that
-- one command serves a whole batch.
--
-- key        type    what it holds, and what is true of it at rest               written by
-- id         STRING  the id of the layout; without it no script does anything    Open
-- c          HASH    n, token, no, job: last numbers of a webhook, claim, notice;  most
--                    pn: pending deliveries of all webhooks; at: time of a
--                    claim a second ago at most; walk and sweep: how far walk of
--                    claim.lua and sweep of prune.lua came
-- ms         ZSET    merchants that have webhooks, by name                       save, delete
-- m:<M>      HASH    webhook id -> n                                             save, delete
-- i:<M>      ZSET    creation (15 digits) and id of each webhook, by name        save, delete
-- s          HASH    M|pattern -> active subscribers, each n, length of id, id; '': padding
-- x:<n>      HASH    settings, and what changes seldom: see settings.go          save, finish, prune
-- ch:<n>     LIST    the last 100 changes of the webhook, oldest first, each of  save, finish
--                    a higher version than the one before: see CHANGE
-- tr         ZSET    n of each webhook that is disabled or unwell -> n          save, finish
-- w          HASH    n -> what a claim answers of the webhook: see settings.go   save
-- t          HASH    n -> the state of the webhook: see STATE                    all
-- q:<n>      LIST    fresh deliveries, element i has seq HEAD + 1 + i; '' is a   publish, enqueue, claim
--                    test, which is in a already, or was cancelled, and never comes first
-- z:<n>      ZSET    due -> seq of those that wait again                         finish, claim
-- y:<n>      ZSET    due -> seq of tests that wait                               publish, finish, claim
-- a          HASH    n:seq -> a delivery that was claimed, or a test: see RECORD  claim, finish
-- g:<n>      ZSET    pages up to that of HEAD that have anything, and those of    claim, prune
--                    tests and of what was cancelled
-- l:<n>:<p>  LIST    ended deliveries of a page in order of their end: see ENDED  finish, prune
-- p          ZSET    n:page -> end of the first element of l                     finish, prune
-- f          ZSET    n -> ended deliveries, at most 50 fewer than there are      finish, prune
-- off        ZSET    n of a disabled webhook -> no later than the creation of    finish, save, prune
--                    any delivery of it that waits and is no test
-- e:<M>:<E>  STRING  the event: see EVENT                                        publish, prune
-- v:<M>      LIST    elements of the merchant's events, oldest first             publish, prune
-- k          HASH    M -> how many elements v has lost on its left               prune
-- o          ZSET    M -> time of the first element of v                         publish, prune
-- u:<M>      ZSET    place -> element that is too old and still pending          prune
-- us         ZSET    M that have u, by name                                      prune
-- j          HASH    n:E -> nonce (8 bytes) and seq (6) of each enqueued delivery enqueue, prune
-- h          ZSET    lease end -> a claim: token, lease in ms (6 bytes each), fields of a
-- r          ZSET    ready: n -> since or from when on it is claimable; only     most
--                    those that have something to claim and room
-- key:<K>    STRING  claim of h that was made under a name, or empty; expires     claim
-- sleep      STRING  until when claimers sleep; absent: nobody ever claimed      claim, wake
-- no nv na   HASH, ZSET, ZSET  notices: see notices.lua; by when they can be claimed; by age
-- nw:<n>     ZSET    notices of the webhook
-- jb         HASH    M:I -> a job: see jobs.lua                                  jobs, prune
-- jv jx      ZSET    M:I of a job that has not ended -> from when it can be      jobs, prune
--                    claimed; of one that has -> when
-- jl:<M>     ZSET    I of the merchant's jobs -> number, in the order of adding  jobs, prune
-- jd:<M>     ZSET    I of those that have ended -> number, in that order         jobs, prune
-- js         HASH    M:S -> I of the job of a scope that has not ended           jobs
-- gc         HASH    n of a deleted webhook -> nonce of the call                 delete, collect
-- bad        HASH    what was found damaged -> when, whose, how; at most 100     all
-- untold     ZSET    fields of bad that sweep has not told yet                   all, prune
-- seen:<S>:<I> STRING  packed, see seen.lua; expires
--
-- Numbers in records are big-endian.
-- ELEMENT  creation (6), flags (1: 1 test, 2 enqueued, 4 forged), size of the body (4),
--          length of type (2), type, id of the event
-- RECORD   token (6), state (1: 1 leased, 2 lease over, 3 waits again), reclaims (2), epoch (4),
--          end of the lease (6), attempts (2), length of element (2), element, attempts
-- ENDED    seq mod 100 (1), outcome (1: s or f), end (6), token (6), reclaims (2), attempts (2),
--          length of element (2), element, attempts, and the code if it ended without one
-- attempt  end (6), duration in ms (4), status (2), length of code (2), code, length of body (4), body,
--          length of exchange (2), exchange
-- CHANGE   time (6), version (6), 1 if active (1), then, each after its length (4): who, reason, names of
--          fields with commas between, URL; then event types, each after its length (2)
-- EVENT    length of element (2), length of trace (2), number of deliveries (2), element,
--          fingerprint (16), trace, n (4) and seq (6) of each delivery, body

local P, CHANNEL = ARGV[1], ARGV[3]
local call, byte, sub, fmt = redis.call, string.byte, string.sub, string.format
local spack, sunpack = struct.pack, struct.unpack
if call('GET', KEYS[1]) ~= ARGV[4] then return { 'LAYOUT' } end
local now, micros = tonumber(ARGV[2]), 0
if now == 0 then
  local t = call('TIME')
  now, micros = t[1] * 1000 + math.floor(t[2] / 1000), t[2] % 1000
end
local NOW, NOW6 = fmt('%.0f', now), spack('>I6', now) -- Redis writes a number as an argument slowly.

local at_arg = 4
local function arg()
  at_arg = at_arg + 1
  return ARGV[at_arg]
end
local function num() return tonumber(arg()) end
local function args(n)
  at_arg = at_arg + n
  return at_arg - n + 1
end

local R, A, T = P .. 'r', P .. 'a', P .. 't'
local function key(kind, n) return P .. kind .. ':' .. n end
local function text(n) return type(n) == 'string' and n or fmt('%.0f', n) end

local function esc(id)
  if not string.find(id, '[^%w_.-]') then return id end
  return (string.gsub(id, '[^%w_.-]', function(c) return fmt('%%%02X', byte(c)) end))
end
local function fail(word, about) return { word, about or '' } end

-- drain makes the first write one that Redis allows when its memory is full, so that the
-- others are allowed too.
local function drain() call('ZREM', R, '') end

-- many gives a command a list of any length, an even part at a time.
local function many(cmd, k, list)
  for i = 1, #list, 1000 do call(cmd, k, unpack(list, i, math.min(i + 999, #list))) end
end

-- bad notes what is damaged: when (6), merchant and webhook, how, each after its length (2), and
-- the beginning of what is set aside. n is the webhook's number, if it is a webhook's. It is to
-- be called after drain, or after another write.
local function bad(what, how, n, record)
  if call('HLEN', P .. 'bad') >= 100 then return end
  local of = n and redis.pcall('HMGET', key('x', n), 'm', 'id') or {}
  local note = NOW6
  for _, s in ipairs({ of[1] or '', of[2] or '', sub(tostring(how), 1, 200) }) do note = note .. spack('>I2', #s) .. s end
  what = sub(what, 1, 300)
  if call('HSETNX', P .. 'bad', what, note .. sub(record or '', 1, 1000)) == 1 then call('ZADD', P .. 'untold', 0, what) end
end

-- safely calls f, and notes what is damaged if f fails: of what, and of which webhook. It returns
-- true and what f does, or false.
local function safely(what, n, f, ...)
  local ok, out = pcall(f, ...)
  if ok then return true, out end
  bad(what, out, n)
  return false
end

-- own runs a command on a key of one webhook, n, or of one merchant, or on one that no delivery
-- depends on. A key of another type is damaged, and goes.
local function own(n, cmd, k, ...)
  local out = redis.pcall(cmd, k, ...)
  if type(out) ~= 'table' or not out.err then return out end
  if not string.find(out.err, 'WRONGTYPE', 1, true) then error(out.err, 0) end
  bad('key ' .. sub(k, #P + 1), 'is of another type', n)
  call('UNLINK', k)
  return call(cmd, k, ...)
end

-- later gives the next number of a kind, which is not below the time: so none is given again
-- when the last one is lost, be it damaged or not with a replica that took over.
local function later(kind)
  local last = tonumber(call('HGET', P .. 'c', kind) or '') or 0
  if last > 2 ^ 47 then last = 0 end
  call('HSET', P .. 'c', kind, text(math.max(last + 1, now)))
  return math.max(last + 1, now)
end

-- work is how much a script has read: records, and half kilobytes of them. Who goes through many
-- stops when it is BUSY.
local work, BUSY = 0, 2000

-- STATE: owner (first bytes of a digest of merchant and webhook id), last seq given, last seq
-- that left q, how many of q are '', leased, members of z, no later than the first of them,
-- members of y, ended well, failed, attempts of those and of all others, streak, epoch, rate
-- limit or 0, what was left in the bucket when the last token was taken, when that was, until when
-- the webhook is held, for how long from when that was said, since when it is unwell or 0, when a try
-- succeeded last or 0, and flags: active, told (has a mark or was disabled by failures), parked (had no room by the last claim).
local STATE, STATE_SIZE = '>c8I6I6I4I4I4I6I4I6I6I6I4I4I4I6I6I6I6I6I6BBB', 111
local OWNER, LAST, HEAD, HOLES, LEASED, WAITING, NEXT, TESTS, OK, FAILED = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local TRIES, STREAK, EPOCH, RATE, LEVEL, TAKEN, HELD, SPAN, UNWELL, WELL = 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
local ACTIVE, TOLD, PARKED = 21, 22, 23
local PAGE, COST, COUNTED = 100, 1000, 50

-- pending counts the deliveries of a webhook that have not ended.
local function pending(t) return t[LAST] - t[HEAD] - t[HOLES] + t[LEASED] + t[WAITING] + t[TESTS] end

local function state_of(n, s)
  if not s then return nil end
  if #s ~= STATE_SIZE then error('state cannot be read', 0) end
  local t = { sunpack(STATE, s) }
  t.n, t.had = n, pending(t)
  return t
end

-- difference is how many more deliveries are pending than before the script.
local difference = 0
local function pack_state(t)
  for i = HOLES, TRIES do
    if t[i] < 0 then t[i] = 0 end -- Only if something was damaged.
  end
  local has = pending(t)
  difference, t.had = difference + has - t.had, has
  return spack(STATE, unpack(t, 1, PARKED))
end
local function save_state(t) call('HSET', T, t.n, pack_state(t)) end

local function page_of(seq) return math.floor(seq / PAGE) end
local function page_key(n, page) return key('l', n) .. ':' .. page end

-- element reads one: creation, flags, type, event id. It fails if it cannot.
local function element(el)
  local created, flags, size, len = sunpack('>I6BI4I2', el)
  if #el <= 13 + len then error('cannot be read', 0) end
  return created, flags, sub(el, 14, 13 + len), sub(el, 14 + len), size
end
local function is_test(el) return byte(el, 7) % 2 == 1 end
local function is_enqueued(el) return byte(el, 7) % 4 >= 2 end

-- element_in finds the element in a record from where its length is. It fails if it cannot.
local IN_RECORD, IN_ENDED = 22, 19
local function element_in(s, at)
  local len = sunpack('>I2', s, at)
  local el = sub(s, at + 2, at + 1 + len)
  element(el)
  return el
end

-- fresh_record is the one of a test, which waits, and was never claimed.
local function fresh_record(el) return string.rep('\0', 6) .. '\3' .. string.rep('\0', 14) .. spack('>I2', #el) .. el end

-- records reads those of some deliveries of a webhook, each false if it is not there.
local function field(n, seq) return n .. ':' .. text(seq) end
local function records(n, seqs)
  if #seqs == 0 then return {}, {} end
  local names = {}
  for i, seq in ipairs(seqs) do names[i] = field(n, seq) end
  work = work + #names
  return call('HMGET', A, unpack(names)), names
end

-- advance says that q has lost what comes up to a seq, of which so many were ''.
local function advance(t, to, holes)
  local from = t[HEAD] == 0 and 0 or page_of(t[HEAD]) + 1
  if to - t[HEAD] > 100 * PAGE then from = page_of(to) end -- Only if q was lost.
  for p = from, page_of(to) do own(t.n, 'ZADD', key('g', t.n), p, p) end
  t[HEAD], t[HOLES] = to, t[HOLES] - holes
end

-- strip takes what is no delivery from the left of q.
local function strip(t)
  while t[HEAD] < t[LAST] do
    local el = own(t.n, 'LINDEX', key('q', t.n), 0)
    if el and el ~= '' then return end
    if not el then
      bad('key q:' .. t.n, 'is lost', t.n)
      return advance(t, t[LAST], t[HOLES])
    end
    call('LPOP', key('q', t.n))
    advance(t, t[HEAD] + 1, 1)
  end
end

-- allowed returns the first moment, from one on, at which the bucket has a token.
local function allowed(t, at)
  if t[RATE] == 0 or t[LEVEL] >= COST then return at end
  return math.max(at, math.min(t[TAKEN], now) + math.ceil((COST - t[LEVEL]) / t[RATE]))
end

-- first_due returns when the first of z or y is due, or nil.
local function first_due(t, kind) return tonumber(own(t.n, 'ZRANGE', key(kind, t.n), 0, 0, 'WITHSCORES')[2]) end

-- due returns since or from when on, but not before a moment, a webhook has something to
-- claim, or nil.
local function due(t, from)
  local at
  if t[ACTIVE] == 1 then
    if t[LAST] > t[HEAD] then at = t[HELD] elseif t[WAITING] > 0 then at = math.max(t[NEXT], t[HELD]) end
  end
  if t[TESTS] > 0 then
    local first = first_due(t, 'y')
    if not first then t[TESTS] = 0 end
    if first and (not at or first < at) then at = first end
  end
  return at and allowed(t, math.max(at, from))
end

-- soonest is the earliest moment at which something has become claimable by this script.
local soonest = math.huge

-- offer lets claimers see a webhook that may have become claimable sooner, unless it has no room.
local function offer(t, from)
  if t[PARKED] == 1 then return end
  local at = due(t, from)
  if not at then return end
  call('ZADD', R, 'LT', text(at), t.n)
  soonest = math.min(soonest, at)
end

-- place puts a webhook where it belongs in r. If it has something to claim still, it
-- keeps its place.
local function place(t)
  local at = t[PARKED] == 0 and due(t, now)
  if at ~= now then call('ZREM', R, t.n) end
  if at then offer(t, now) end
end

-- finish counts what is pending, tells claimers if something is claimable sooner than they
-- know, and returns the reply.
local function finish(reply)
  if difference ~= 0 then
    local all = redis.pcall('HINCRBY', P .. 'c', 'pn', text(difference))
    if type(all) ~= 'number' then bad('field pn of c', 'is no number') end
    if type(all) ~= 'number' or all < 0 then call('HSET', P .. 'c', 'pn', 0) end -- It was damaged.
  end
  if soonest == math.huge then return reply end
  local till = tonumber(call('GET', P .. 'sleep') or '')
  if till and till <= soonest then return reply end
  call('SET', P .. 'sleep', text(soonest))
  call('PUBLISH', CHANNEL, '')
  return reply
end
