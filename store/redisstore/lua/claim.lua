-- Hides due deliveries until a lease ends.
--
-- ARGV[4]  how many at most
-- ARGV[5]  lease in milliseconds
-- ARGV[6]  how many of one webhook may be leased at any time
-- ARGV[7]  how many bytes of events at most, ARGV[8] how many the answer has already
-- ARGV[9]  name under which to note what is leased, or empty
-- ARGV[10] how: 0 only answers what is noted, 1 leases if nothing is noted, 2 also notes that it
--          leased nothing. ARGV[7] to ARGV[10] are missing where there is neither bound nor name.
-- Reply    OK, time, microseconds until there is more (-1: nothing waits), 1 if there are notices,
--          1 if something was noted before, packed webhooks, packed leases, each a list of all
--          their fields, and what is stored of the events.
--          webhook: merchant, id, url, encoding, secret, previous secret and headers or empty
--          lease:   index of the webhook, index of the event, id of the delivery (12 bytes), id of
--                   the event, type, 1 for a test, claims so far, attempts, reclaims

drain()
local limit, lease, per = num(), num(), num()
local budget, spent, name, how = num() or math.huge, num() or 0, arg() or '', num() or 1
local lease_end = string.format('%.0f', now + lease)
if tonumber(call('HGET', P .. 'c', 'cap') or 0) ~= per then
  call('HSET', P .. 'c', 'cap', per) -- Webhooks that have leases may or may not have room now.
  cap_now = per
  for _, n in ipairs(call('ZRANGE', HELD, 0, -1)) do
    local w = call('HMGET', key('w', n), 'st', 'rl')
    offer(n, w[1] == 'active', w[2])
  end
end

local webhooks, events, leases, noted = {}, {}, {}, {}
local hooks, taken = 0, 0 -- webhooks and leases so far
local event_at = {} -- key of an event -> its index, or false if it is not there
local full = false -- There is no room for another event.
local READ = 50 -- events at a time
local function fetch(keys)
  for from = 1, #keys, READ do
    for i, s in ipairs(call('MGET', unpack(keys, from, math.min(from + READ - 1, #keys)))) do
      local size = s and #s or 0
      if spent > 0 and spent + size > budget then return end
      spent = spent + size
      if s then events[#events + 1] = s end -- Whole: the client takes it apart.
      event_at[keys[from + i - 1]] = s and #events
    end
  end
end

local function read_webhook(n)
  return call('HMGET', key('w', n), 'st', 'ep', 'm', 'id', 'url', 'enc', 'sec', 'psec', 'pu', 'hd', 'rl')
end

-- show puts a webhook into the answer and returns its index there.
local function show(w)
  local m, previous = 7 * hooks, tonumber(w[9] or 0) > now and w[8] or ''
  webhooks[m + 1], webhooks[m + 2], webhooks[m + 3], webhooks[m + 4] = w[3], w[4], w[5] or '', w[6] or ''
  webhooks[m + 5], webhooks[m + 6], webhooks[m + 7] = w[7] or '', previous, w[10] or ''
  hooks = hooks + 1
  return hooks
end

-- hand puts a lease into the answer.
local function hand(index, body, id, r)
  local m = 9 * taken
  leases[m + 1], leases[m + 2], leases[m + 3], leases[m + 4], leases[m + 5] = index, body, id, r[EVENT], r[TYPE]
  leases[m + 6], leases[m + 7], leases[m + 8], leases[m + 9] = r[FLAGS] % 2, r[TOKEN], #r[LOG], r[RECLAIMS]
  taken = taken + 1
end

-- recover puts back what was leased and not finished in time. Its webhook has been
-- claimable since the lease's end, or since it was enabled if that was later.
local function recover(n)
  local w = call('HMGET', key('w', n), 'st', 'rl', 'on')
  local active = w[1] == 'active'
  local over = call('ZRANGEBYSCORE', key('l', n), '-inf', now, 'WITHSCORES', 'LIMIT', 0, 200)
  for i = 1, #over, 2 do
    local r = load(n, over[i])
    call('ZREM', key('l', n), over[i])
    if r then
      call('ZADD', waiting_in(n, r), over[i + 1], over[i])
      if not active then paused(n, r) end
    end
  end
  offer(n, active, w[2], math.max(tonumber(over[2] or now), tonumber(w[3] or 0)))
  return #over / 2
end

local function visit(n)
  local w = read_webhook(n)
  if not w[1] then
    call('ZREM', READY, n)
    return
  end
  local active, epoch, rl = w[1] == 'active', tonumber(w[2]), w[11]
  local leased = call('ZCARD', key('l', n))
  local room = math.min(per - leased, limit - taken)
  local rate, level
  if rl then
    local left, since
    rate, left, since = bucket(rl)
    level = math.min(left + rate * math.max(now - since, 0), rate * COST)
    room = math.min(room, math.floor(level / COST))
  end
  local records, held, index = {}, {}, nil
  local function take(set)
    if room <= 0 or full then return end
    local ids = call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, room)
    if #ids == 0 then return end
    local found, wanted, keys = call('HMGET', key('d', n), unpack(ids)), {}, {}
    for i, packed in ipairs(found) do
      local r = packed and cmsgpack.unpack(packed)
      if r and r[STATE] == PENDING then
        found[i], keys[i] = r, event_key(w[3], r[EVENT])
        if event_at[keys[i]] == nil then wanted[#wanted + 1] = keys[i] end
      end
    end
    fetch(wanted)
    local last = #ids
    for i, r in ipairs(found) do
      local body = keys[i] and event_at[keys[i]]
      if keys[i] and (body == nil or taken > 0 and spent > budget) then
        full, last = true, i - 1
        break
      end
      if body then -- Nothing else can be delivered.
        if r[OPEN] == 1 then r[RECLAIMS] = r[RECLAIMS] + 1 end
        r[TOKEN], r[OPEN], r[EPOCH], r[AT] = r[TOKEN] + 1, 1, epoch, now + lease - r[CREATED]
        records[#records + 1], records[#records + 2] = ids[i], cmsgpack.pack(r)
        held[#held + 1], held[#held + 2] = lease_end, ids[i]
        if name ~= '' then noted[#noted + 1], noted[#noted + 2], noted[#noted + 3] = n, ids[i], r[TOKEN] end
        index = index or show(w)
        hand(index, body, ids[i], r)
      end
    end
    if last > 0 then call('ZREM', set, unpack(ids, 1, last)) end
    room = room - last
  end
  room = math.min(room, 1000)
  local test = first(key('t', n))
  if test and test <= now and room > 0 then
    take(key('t', n))
    test = first(key('t', n))
  end
  if active then take(key('q', n)) end
  if index then
    call('HSET', key('d', n), unpack(records))
    call('ZADD', key('l', n), unpack(held))
    call('ZADD', HELD, 'LT', lease_end, n)
    if rl then
      rl = string.format('%.0f %.0f %.0f', rate, level - #records / 2 * COST, now)
      call('HSET', key('w', n), 'rl', rl)
    end
  end
  if full and not index then return end -- It keeps its place.
  -- As offer does, of what is known here. Nothing comes sooner than claimers know,
  -- for this one was due. What it has left goes behind what others have.
  local at = due_at(n, active, rl, leased + #held / 2, test or false)
  if at then call('ZADD', READY, at > now and at or NOW, n) else call('ZREM', READY, n) end
end

local note = name ~= '' and key('again', name)
local before = note and call('GET', note)
if before then -- It answers what lasts of it.
  local list, index = cmsgpack.unpack(before), {}
  budget = math.huge
  for i = 1, #list, 3 do
    local n, id = list[i], list[i + 1]
    local r = load(n, id)
    if r and r[OPEN] == 1 and r[TOKEN] == list[i + 2] and time_of(r) > now then
      local w = read_webhook(n)
      local k = w[1] and event_key(w[3], r[EVENT]) -- A webhook that was deleted leaves its records for a while.
      if k and event_at[k] == nil then fetch({ k }) end
      if k and event_at[k] then
        index[n] = index[n] or show(w)
        hand(index[n], event_at[k], id, r)
      end
    end
  end
elseif how > 0 then
  -- What leases left comes back first, so that its webhooks have their turns.
  local recovered = 0
  repeat
    local n = call('ZRANGEBYSCORE', HELD, '-inf', now, 'LIMIT', 0, 1)[1]
    if n then recovered = recovered + 1 + recover(n) end
  until not n or recovered > 1000

  local seen, visits = {}, 0
  repeat
    local fresh = false
    for _, n in ipairs(call('ZRANGEBYSCORE', READY, '-inf', now, 'LIMIT', 0, 64)) do
      if taken >= limit or full then break end
      if not seen[n] then
        seen[n], fresh = true, true
        visits = visits + 1
        visit(n)
      end
    end
  until not fresh or taken >= limit or full or visits > 256
  if note and (taken > 0 or how == 2) then
    call('SET', note, cmsgpack.pack(noted))
    if ARGV[2] == '0' then call('PEXPIRE', note, lease) end
  end
end

local next, at = -1, soonest()
if at then next = math.max((at - now) * 1000 - micros, 0) end
local notice = first(P .. 'nv')
return {
  'OK', now, next, notice and notice <= now and 1 or 0, before and 1 or 0,
  cmsgpack.pack(webhooks), cmsgpack.pack(leases), events,
}
