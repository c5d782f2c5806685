-- What every script begins with. It holds no state between calls.
--
-- KEYS[1]  the shard's sorted set `ready`
-- KEYS[#]  one that never exists, so that nothing runs while a Cluster moves the slot
-- ARGV[1]  what the shard's keys begin with, such as "wh:{00}:"
-- ARGV[2]  the time in Unix milliseconds, 0 for the server's clock
-- ARGV[3]  the channel that wakes claimers
-- Reply    an array: "OK" and what the script names, or the word of an error and a text
--
-- A webhook is known by a number n that is never used twice. Keys of a shard:
--   c            HASH    cap (PerWebhook of the last claim), n (last number given), pn (number of
--                        pending deliveries, with those of deleted webhooks that gc has)
--   m:<M>        HASH    webhook id -> n
--   s:<M>        HASH    event type -> the active subscribers, packed {{id, n}, …} by id
--   i:<M>        ZSET    15 digits of when a webhook was made and its id, all with score 0
--   ms           ZSET    the merchants that have webhooks, all with score 0
--   w:<n>        HASH    the webhook and its counters; ds, md, hd, rl, fs, db, mk
--                        and on (when it was enabled last) are there only if they are set
--   d:<n>        HASH    delivery id (12 bytes) -> packed record
--   g:<n>:<page> HASH    sequence mod 100 -> delivery id; p:<n> ZSET the pages
--   q:<n> t:<n>  ZSET    waiting deliveries, waiting tests, by due time
--   l:<n>        ZSET    leased deliveries by the lease's end
--   f:<n>        ZSET    ended deliveries by their end
--   y:<n>        HASH    event id -> ids of its enqueued deliveries, 12 bytes each
--   e:<M>:<E>    STRING  pending deliveries (4 bytes), length of head (4), packed head, body
--   k:<M>        STRING  last event sequence of the merchant
--   v:<M>:<page> HASH    sequence mod 100 -> event id, a and z: first and last time; x:<M> ZSET the pages
--   ready        ZSET    n -> since when, or from when on, it has had something to claim, a token and room
--                        without a visit; those that have no room are not there
--   held         ZSET    n -> when the first of its leases ends
--   old full off ZSET    n -> oldest end, number of ended deliveries, time of the oldest paused one
--   idle         ZSET    M:E -> time of an event without pending deliveries
--   no nv na     HASH, ZSET, ZSET  notices, by when they can be claimed, by age; a notice is M:<its id>
--   nt           HASH    notice -> how often it was claimed
--   nw:<n>       ZSET    the webhook's notices, by age
--   gc           HASH    n of a deleted webhook -> packed {merchant, nonce}
--   seen:<S>:<I> STRING  packed, see seen.lua; it expires
--   again:<name> STRING  packed leases of a claim: n, delivery id, claims so far of each; it expires
-- <M>, <E>, <S> and <I> are escaped ids.

local P, CHANNEL, READY = ARGV[1], ARGV[3], KEYS[1]
local call = redis.call
local now, micros = tonumber(ARGV[2]), 0
if now == 0 then
  local t = call('TIME')
  now, micros = t[1] * 1000 + math.floor(t[2] / 1000), t[2] % 1000
end

local NOW = string.format('%.0f', now) -- Redis writes a number as an argument slowly.

local at_arg = 3
local function arg()
  at_arg = at_arg + 1
  return ARGV[at_arg]
end
local function num() return tonumber(arg()) end

local function key(kind, n) return P .. kind .. ':' .. n end

local function esc(id)
  if not string.find(id, '[^%w_.-]') then return id end
  return (string.gsub(id, '[^%w_.-]', function(c) return string.format('%%%02X', string.byte(c)) end))
end

-- Fields of a packed delivery. TOKEN counts claims, and OPEN is 1 while the last
-- one has no result. AT is its due time, its lease's end or its end, after CREATED.
-- LOG is its attempts: {end, duration, status, error, body}. When a lease has ended,
-- the delivery goes back to its queue as it is, with that end as its due time.
local SEQ, EVENT, TYPE, FLAGS, CREATED, STATE, TOKEN, OPEN, RECLAIMS, EPOCH, AT, FAULT, LOG = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
local PENDING, SUCCESS, FAILED = 0, 1, 2 -- STATE
local TEST, ENQUEUED, FORGED = 1, 2, 4 -- FLAGS are their sum, ENQUEUED of deliveries only, FORGED of events only
local PAGE = 100

-- drain makes the first write one that Redis allows when its memory is full, so
-- that the others are allowed too.
local function drain() call('ZREM', READY, '') end

local function is_test(r) return r[FLAGS] % 2 == 1 end

-- time of a record: its due time, its lease's end or its end.
local function time_of(r) return r[CREATED] + r[AT] end

-- delivery_id derives the id of a fan-out, without its prefix, in 12 bytes. An event
-- that is published anew after it was pruned has another time, which is text here, and
-- so other ids.
local function delivery_id(merchant, event, webhook, created)
  local hex = redis.sha1hex(merchant .. '|' .. event .. '|' .. webhook .. '||' .. created)
  local function part(i) return tonumber(string.sub(hex, i, i + 7), 16) end
  return struct.pack('>I4I4I4', part(1), part(9), part(17))
end

local cap_now
local function cap()
  cap_now = cap_now or tonumber(call('HGET', P .. 'c', 'cap') or '') or 1e9
  return cap_now
end

-- first returns the lowest score of a sorted set, or nil.
local function first(set) return tonumber(call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]) end

local HELD = P .. 'held'

-- soonest returns the next moment for which claimers wait, or nil.
local function soonest()
  local a, b = first(READY), first(HELD)
  return a and b and math.min(a, b) or a or b
end

-- claimable notes that there is something for claimers from a moment on. It is to be
-- called before ready and held change, since claimers know what these held when the
-- script began.
local woken, known = false, nil
local function claimable(at)
  if woken then return end
  known = known or soonest() or math.huge
  woken = at < known
end

-- Fields of a webhook: fs is when its last streak began, db how often failures have
-- disabled it, and mk the caller's mark.

-- The field rl of a webhook is its rate limit, alone if the bucket is full. Else
-- there follow what was left in the bucket when the last token was taken, in
-- thousandths, and when that was.
local COST = 1000 -- of a delivery
local function bucket(rl)
  local rate, level, taken = string.match(rl, '^(%d+) ?(%d*) ?(%d*)$')
  return tonumber(rate), tonumber(level) or rate * COST, tonumber(taken) or now
end

-- allowed returns the first moment, from one on, at which a bucket has a token. rl is
-- a webhook's field of that name, or false.
local function allowed(at, rl)
  if not rl then return at end
  local rate, level, taken = bucket(rl)
  if level >= COST then return at end
  return math.max(at, taken + math.ceil((COST - level) / rate))
end

-- due_at returns the moment from which on a webhook with so many leases has something
-- to claim, or nil. Its caller may know when its first test is due: false if it has none.
local function due_at(n, active, rl, leased, test)
  if leased >= cap() then return nil end
  if test == nil then test = first(key('t', n)) end
  local q = active and first(key('q', n))
  local at = q and test and math.min(q, test) or q or test
  return at and allowed(at, rl) or nil
end

-- offer puts a webhook where it belongs in ready and held. It is to be called
-- after every change of a webhook's queues, leases, status or bucket. What is
-- claimable already keeps its place in the turns. What becomes so has been claimable
-- since the given moment, or now.
local function offer(n, active, rl, since)
  local over = first(key('l', n))
  local at = due_at(n, active, rl, over and call('ZCARD', key('l', n)) or 0)
  if at then at = math.max(at, since or now) end
  if at or over then claimable(math.min(at or over, over or at)) end
  if over then call('ZADD', HELD, over, n) else call('ZREM', HELD, n) end
  if not at then
    call('ZREM', READY, n)
  elseif at > now then
    call('ZADD', READY, at, n)
  else
    call('ZADD', READY, 'LT', at == now and NOW or at, n)
  end
end

-- wake tells claimers that something is claimable sooner than they know.
local function wake()
  if woken then call('PUBLISH', CHANNEL, '') end
end

local function load(n, id)
  local packed = call('HGET', key('d', n), id)
  return packed and cmsgpack.unpack(packed)
end

local function save(n, id, r) call('HSET', key('d', n), id, cmsgpack.pack(r)) end

local function waiting_in(n, r) return key(is_test(r) and 't' or 'q', n) end

-- paused notes that a disabled webhook has a waiting delivery.
local function paused(n, r)
  if is_test(r) then return end
  local walked = tonumber(call('HGET', key('w', n), 'wk') or 0)
  if r[SEQ] <= walked then call('HSET', key('w', n), 'wk', r[SEQ] - 1) end
  local bound = tonumber(call('ZSCORE', P .. 'off', n) or '')
  if not bound or r[CREATED] < bound then call('ZADD', P .. 'off', r[CREATED], n) end
end

-- member names an event in idle, and event_key is where it is stored.
local function member(merchant, event) return esc(merchant) .. ':' .. esc(event) end
local function event_key(merchant, event) return P .. 'e:' .. member(merchant, event) end

-- head returns the pending count, the head and where the body starts, or nil.
-- A head is {flags, created, sequence, type, fingerprint, numbers of the webhooks of
-- the fan-out, 4 bytes each}, and the trace if there is one.
local function head(k)
  local s = call('GETRANGE', k, 0, 255)
  if s == '' then return nil end
  local pending, len = struct.unpack('>I4I4', s)
  if #s < 8 + len then s = call('GETRANGE', k, 0, 7 + len) end
  return pending, cmsgpack.unpack(string.sub(s, 9, 8 + len)), 9 + len
end

-- tally notes how many pending deliveries there are more, or less, by now. It is to
-- be called once before a script ends that makes or ends some.
local difference = 0
local function tally()
  if difference ~= 0 then call('HINCRBY', P .. 'c', 'pn', difference) end
end

-- Where BITFIELD finds what a head begins with, after its list's first byte and flags:
-- what kind of number it was created at, and that number if it is one of eight bytes.
local CREATED_KIND, CREATED_AT, UINT64, INT64 = 80, 88, 0xcf, 0xd3

-- expect adds to the number of pending deliveries of an event, which is named M:E. One
-- that has none any more goes to idle, or to a list that the caller will add to idle.
-- The caller calls tally.
local function expect(name, by, later)
  local k = P .. 'e:' .. name
  local f = call('BITFIELD', k, 'OVERFLOW', 'SAT', 'INCRBY', 'u32', 0, by, 'GET', 'u8', CREATED_KIND, 'GET', 'i64', CREATED_AT)
  local after, kind, created = f[1], f[2], f[3]
  if kind == 0 then
    call('DEL', k) -- It was not there.
    return
  end
  difference = difference + by
  if after == 0 then
    if kind ~= UINT64 and kind ~= INT64 then
      local _, h = head(k)
      created = h[2]
    end
    if later then
      later[#later + 1], later[#later + 2] = created, name
    else
      call('ZADD', P .. 'idle', created, name)
    end
  elseif after == by then
    call('ZREM', P .. 'idle', name)
  end
end

-- rekey_ended puts a webhook where it belongs among those that Prune looks at.
local function rekey_ended(n)
  local oldest = first(key('f', n))
  if oldest then
    call('ZADD', P .. 'old', oldest, n)
    call('ZADD', P .. 'full', call('ZCARD', key('f', n)), n)
  else
    call('ZREM', P .. 'old', n)
    call('ZREM', P .. 'full', n)
  end
end

-- remove forgets an ended delivery. The caller calls rekey_ended.
local function remove(n, id, r)
  call('HDEL', key('d', n), id)
  call('ZREM', key('f', n), id)
  local page = math.floor(r[SEQ] / PAGE)
  local pk = key('g', n) .. ':' .. page
  call('HDEL', pk, r[SEQ] % PAGE)
  if call('EXISTS', pk) == 0 then call('ZREM', key('p', n), page) end
  if #r[LOG] > 0 then call('HINCRBY', key('w', n), 'at', -#r[LOG]) end
  if r[STATE] == SUCCESS then call('HINCRBY', key('w', n), 'ok', -1) end
  if r[FLAGS] >= ENQUEUED then
    local ids, left = call('HGET', key('y', n), r[EVENT]) or '', ''
    for i = 1, #ids, 12 do
      if string.sub(ids, i, i + 11) ~= id then left = left .. string.sub(ids, i, i + 11) end
    end
    if left == '' then call('HDEL', key('y', n), r[EVENT]) else call('HSET', key('y', n), r[EVENT], left) end
  end
end

local function subscribers(M, type)
  local packed = call('HGET', key('s', M), type)
  return packed and cmsgpack.unpack(packed) or {}
end

-- subscribe enters a webhook under its event types, or takes it out.
local function subscribe(M, id, n, types, on)
  for _, type in ipairs(types) do
    local list = {}
    for _, s in ipairs(subscribers(M, type)) do
      if s[1] ~= id then list[#list + 1] = s end
    end
    if on then
      list[#list + 1] = { id, n }
      table.sort(list, function(a, b) return a[1] < b[1] end)
    end
    if #list == 0 then
      call('HDEL', key('s', M), type)
    else
      call('HSET', key('s', M), type, cmsgpack.pack(list))
    end
  end
end

local function fail(word, text) return { word, text or '' } end

-- notify leaves a notice for the owner of a webhook and wakes claimers, who hand it on.
local function notify(n, merchant, webhook, id, kind, url, reason, failures, threshold, since)
  local notice = esc(merchant) .. ':' .. id
  call('HSET', P .. 'no', notice, cmsgpack.pack({ n, merchant, webhook, kind, url, reason, failures, threshold, since, now }))
  for _, set in ipairs({ P .. 'nv', P .. 'na', key('nw', n) }) do call('ZADD', set, NOW, notice) end
  woken = true
end

-- forget_notice removes a notice, which is known as M:id.
local function forget_notice(notice)
  local packed = call('HGET', P .. 'no', notice)
  local n = packed and cmsgpack.unpack(packed)[1]
  call('HDEL', P .. 'no', notice)
  call('HDEL', P .. 'nt', notice)
  call('ZREM', P .. 'nv', notice)
  call('ZREM', P .. 'na', notice)
  if n then call('ZREM', key('nw', n), notice) end
end

-- number of a merchant's webhook, or nil.
local function number_of(merchant, webhook) return call('HGET', key('m', esc(merchant)), webhook) or nil end
