-- Hides due deliveries until a lease ends.
--
-- ARGV[5]  how many at most
-- ARGV[6]  lease in milliseconds
-- ARGV[7]  how many of one webhook may be leased at any time
-- ARGV[8]  bytes of bodies, and ARGV[9] 1 if one larger one may be taken alone
-- ARGV[10] name under which to note what is leased, or empty
-- ARGV[11] how: again (only answer what is noted), new (do so, or else claim), mark (and note it
--          too if nothing is claimed)
-- Reply    OK, time, microseconds until there is more (-1: nothing waits), 1 if there are notices, 1 if
--          there are jobs, 1 if something was noted before, n and what w holds of each webhook, what is stored of
--          each event, three numbers for each lease (index of the webhook, index of the event,
--          seq; '>I2I2I6'), records of the leases without their attempts

drain()
local limit, lease, per, bytes, alone = num(), num(), num(), num(), arg() == '1'
local name, how = arg(), arg()
local NOTE = name ~= '' and P .. 'key:' .. name

local hooks, events, order, leases = {}, {}, {}, {}
local event_at = {} -- key of an event -> its index

-- answer adds a lease to the reply, with its webhook, unless that has an index, and event.
local function answer(hook, n, blob, k, event, seq, rec)
  if not hook then
    hooks[#hooks + 1], hooks[#hooks + 2] = n, blob
    hook = #hooks / 2
  end
  if not event_at[k] then
    events[#events + 1] = event
    event_at[k] = #events
  end
  order[#order + 1] = spack('>I2I2I6', hook, event_at[k], seq)
  leases[#leases + 1] = sub(rec, 1, IN_RECORD + 1 + sunpack('>I2', rec, IN_RECORD))
  return hook
end

-- waits says that the first member of a set can be claimed.
local function waits(set)
  local first = call('ZRANGE', P .. set, 0, 0, 'WITHSCORES')[2]
  return first and tonumber(first) <= now and 1 or 0
end

local function reply(again, next)
  return finish({ 'OK', now, next, waits('nv'), waits('jv'), again, hooks, events, table.concat(order), leases })
end

-- merchant_of reads the merchant in what w holds of a webhook.
local function merchant_of(blob)
  local size, len = sunpack('>I4I4', blob)
  if #blob ~= 4 + size or size < 4 + len then error('what a claim answers of it cannot be read', 0) end
  return esc(sub(blob, 9, 8 + len))
end

-- repeat_claim answers what is left of a claim.
local function repeat_claim(claim)
  local hook_of = {}
  for _, d in ipairs((leases_of(claim))) do
    local n, seq, rec = unpack(d)
    local blob = sunpack('>I6', rec, 14) > now and call('HGET', P .. 'w', n)
    if blob then
      local _, _, _, event = element((element_in(rec, IN_RECORD)))
      local k = event_key(merchant_of(blob), event)
      local stored = event_at[k] or call('GET', k)
      if stored then hook_of[n] = answer(hook_of[n], n, blob, k, stored, tonumber(seq), rec) end
    end
  end
end

local note = NOTE and call('GET', NOTE)
if note then safely('key key:' .. name, nil, repeat_claim, note) end
if note or how == 'again' then return reply(note and 1 or 0, 0) end

-- waiting lists what waits in z or y, as seq and due by turns, and the records.
local function waiting(t, kind, from, to, most)
  local found, seqs = own(t.n, 'ZRANGEBYSCORE', key(kind, t.n), from, to, 'WITHSCORES', 'LIMIT', 0, most), {}
  for i = 1, #found, 2 do seqs[#seqs + 1] = found[i] end
  return found, (records(t.n, seqs))
end

-- forward takes a retry that would come too late, after a clock has gone back, as of now.
local function forward(t, kind)
  local late, recs = waiting(t, kind, '(' .. NOW, '+inf', 1000)
  for i, rec in ipairs(recs) do
    local since = rec and #rec > 20 and sunpack('>I6', rec, 14) or 0
    local at = now + late[2 * i] - since
    if since > now then
      call('ZADD', key(kind, t.n), text(at), late[2 * i - 1])
      if kind == 'z' then t[NEXT] = math.min(t[NEXT], at) end
    end
  end
end

-- A clock that has gone back leaves times in the future. They are taken as of now: a lease,
-- a retry, a bucket or a hold lasts no longer than it would have. One claim notices, and that and
-- the next ones go through all webhooks. It returns true while there are more of them.
local function walk()
  local known = call('HMGET', P .. 'c', 'at', 'walk')
  local last, cursor = tonumber(known[1] or 0), known[2]
  if now > last + 1000 or now < last - 1000 then call('HSET', P .. 'c', 'at', NOW) end
  if now < last - 1000 then
    cursor = 0
    for _, claim in ipairs(call('ZRANGEBYSCORE', P .. 'h', '(' .. NOW, '+inf', 'LIMIT', 0, 1000)) do
      local span = #claim > 12 and sunpack('>I6', claim, 7) or 0
      if tonumber(call('ZSCORE', P .. 'h', claim)) - span > now then call('ZADD', P .. 'h', text(now + span), claim) end
    end
  end
  if not cursor then return false end
  local found = call('HSCAN', T, cursor, 'COUNT', 200)
  for i = 1, #found[2], 2 do
    local n = found[2][i]
    safely('webhook ' .. n, n, function()
      local t = state_of(n, found[2][i + 1])
      forward(t, 'z')
      forward(t, 'y')
      t[TAKEN], t[HELD], t[PARKED] = math.min(t[TAKEN], now), math.min(t[HELD], now + t[SPAN]), 0
      place(t)
      save_state(t)
    end)
  end
  if found[1] == '0' then call('HDEL', P .. 'c', 'walk') else call('HSET', P .. 'c', 'walk', found[1]) end
  return found[1] ~= '0'
end

local walking = walk()
settle_claims()

local TOKEN, taken, full = nil, 0, false
local fields, writes, states = {}, {}, {}
local LEASE_END = spack('>I6', now + lease)

-- candidates lists what could be taken of a webhook, in order: seq, its element, the record or
-- false, kind. Those without an element are damaged.
local function candidates(t, room)
  local out = {}
  local function add(seq, kind, rec, el)
    local ok, _, _, _, event, size = pcall(element, el)
    out[#out + 1] = { seq = tonumber(seq) or seq, kind = kind, rec = rec, el = ok and el, raw = rec or el, event = event, size = size }
  end
  local function add_waiting(seq, kind, rec)
    local ok, el = pcall(element_in, rec, IN_RECORD)
    add(seq, kind, rec, ok and el)
  end
  if t[TESTS] > 0 then
    local found, recs = waiting(t, 'y', '-inf', NOW, room)
    for i = 1, #recs do add_waiting(found[2 * i - 1], 'y', recs[i]) end
  end
  if t[ACTIVE] == 0 or t[HELD] > now then return out end
  room = room - #out
  local fresh = room > 0 and t[LAST] > t[HEAD] and own(t.n, 'LRANGE', key('q', t.n), 0, room - 1) or {}
  local found, recs = {}, {}
  if room > 0 and t[WAITING] > 0 and t[NEXT] <= now then found, recs = waiting(t, 'z', '-inf', NOW, room) end
  local i, j = 1, 1
  while room > 0 and (fresh[i] or recs[j] ~= nil) do
    local created = fresh[i] and #fresh[i] >= 6 and sunpack('>I6', fresh[i]) or 0
    if fresh[i] and (recs[j] == nil or created <= tonumber(found[2 * j])) then
      if fresh[i] ~= '' then add(t[HEAD] + i, 'q', false, fresh[i]) end
      i = i + 1
    else
      add_waiting(found[2 * j - 1], 'z', recs[j])
      j = j + 1
    end
    room = room - 1
  end
  return out
end

-- fitting cuts a list where the bodies are too many bytes, and reads those that are not known.
local function fitting(list)
  local wanted, found = {}, {}
  for i, d in ipairs(list) do
    local new = d.el and not event_at[d.k] and not found[d.k]
    local size = new and d.size or 0
    if size > bytes and not (alone and taken + i == 1) then
      full = true
      for j = #list, i, -1 do list[j] = nil end
      break
    end
    if new then wanted[#wanted + 1], found[d.k], bytes = d.k, true, bytes - size end
  end
  for i, s in ipairs(#wanted > 0 and call('MGET', unpack(wanted)) or {}) do found[wanted[i]] = s end
  return found
end

-- visit takes what a webhook may have. It reads and understands all of it before it writes.
local function visit(n, s, blob)
  local t = state_of(n, s)
  if not t or not blob then return false end
  local M = merchant_of(blob)
  local room = math.min(per - t[LEASED], limit - taken)
  local level = math.min(t[LEVEL] + t[RATE] * math.max(now - t[TAKEN], 0), t[RATE] * COST)
  if t[RATE] > 0 then room = math.min(room, math.floor(level / COST)) end
  local list = room > 0 and candidates(t, room) or {}
  for _, d in ipairs(list) do d.k = d.el and event_key(M, d.event) end
  local found = fitting(list)
  if full and #list == 0 then return true end -- It keeps its place.

  -- From here on it writes.
  local popped, fresh, hook, damaged = t[HEAD], 0, nil, false
  for _, d in ipairs(list) do
    local seq, rec, k = d.seq, d.rec, d.k
    if d.kind == 'q' then popped, fresh = seq, fresh + 1 else unwait(t, seq, d.kind == 'y') end
    if not d.el then
      drop(n, seq, d.raw)
      damaged = true
    elseif not event_at[k] and not found[k] then
      call('HDEL', A, field(n, seq))
      spoil(t, seq, rec, d.el, 'damaged')
      bad('event ' .. sub(k, #P + 3), 'is lost', n)
    else
      TOKEN = TOKEN or spack('>I6', later('token'))
      if rec then
        local reclaims = sunpack('>I2', rec, 8)
        if byte(rec, 7) == 2 then reclaims = math.min(reclaims + 1, 65535) end
        rec = TOKEN .. '\1' .. spack('>I2I4', reclaims, t[EPOCH]) .. LEASE_END .. sub(rec, 20)
      else
        rec = TOKEN .. '\1\0\0' .. spack('>I4', t[EPOCH]) .. LEASE_END .. '\0\0' .. spack('>I2', #d.el) .. d.el
      end
      fields[#fields + 1] = field(n, seq)
      writes[#writes + 1], writes[#writes + 2] = fields[#fields], rec
      hook = answer(hook, n, blob, k, found[k], seq, rec)
      taken, t[LEASED] = taken + 1, t[LEASED] + 1
      if t[RATE] > 0 then level, t[LEVEL], t[TAKEN] = level - COST, level - COST, now end
    end
  end
  if damaged then count_waiting(t) end
  t[TAKEN] = math.min(t[TAKEN], now) -- A clock that has gone back adds nothing, and takes nothing away.
  if popped > t[HEAD] then
    local gone = popped - t[HEAD]
    call('LTRIM', key('q', n), gone, -1)
    advance(t, popped, gone - fresh)
  end
  strip(t)
  if t[WAITING] > 0 and t[NEXT] <= now then look_next(t) end
  t[PARKED] = t[LEASED] >= per and 1 or 0
  local at = t[PARKED] == 0 and due(t, now)
  if at then call('ZADD', R, text(at), n) else call('ZREM', R, n) end
  states[#states + 1], states[#states + 2] = n, pack_state(t)
  return true
end

local seen, visits, step = {}, 0, math.min(math.ceil(limit / per), 64)
repeat
  local new, ready = {}, call('ZRANGEBYSCORE', R, '-inf', NOW, 'LIMIT', 0, step)
  for _, n in ipairs(ready) do
    if not seen[n] then
      new[#new + 1], seen[n] = n, true
    end
  end
  local some, blobs = {}, {}
  if #new > 0 then some, blobs = call('HMGET', T, unpack(new)), call('HMGET', P .. 'w', unpack(new)) end
  for i, n in ipairs(new) do
    if taken >= limit or full then break end
    visits = visits + 1
    local ok, there = safely('webhook ' .. n, n, visit, n, some[i], blobs[i])
    if not ok then -- What cannot be read is left alone for a minute.
      call('ZADD', R, text(now + 60000), n)
    elseif not there then
      call('ZREM', R, n)
      bad('webhook ' .. n, 'is not there', n)
    end
  end
  step = #new < #ready and step + 64 or 64
until #new == 0 or taken >= limit or full or visits > 256

local claim = ''
if #states > 0 then many('HSET', T, states) end
if #writes > 0 then
  many('HSET', A, writes)
  claim = TOKEN .. spack('>I6', lease) .. table.concat(fields, ' ')
  call('ZADD', P .. 'h', text(now + lease), claim)
end
if NOTE and (claim ~= '' or how == 'mark') then call('SET', NOTE, claim, 'PX', lease + 1000) end

local next = walking and now or nil
for _, set in ipairs({ R, P .. 'h' }) do
  local first = call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]
  if first and (not next or tonumber(first) < next) then next = tonumber(first) end
end
if not next or next > now then call('SET', P .. 'sleep', next and text(next) or '1e15') end
return reply(0, next and math.max((next - now) * 1000 - micros, 0) or -1)
