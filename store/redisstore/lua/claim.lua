-- Hides due deliveries until a lease ends.
--
-- ARGV[4]  how many at most
-- ARGV[5]  lease in milliseconds
-- ARGV[6]  how many of one webhook may be leased at any time
-- Reply    OK, microseconds until there is more (-1: nothing waits), 1 if there are notices,
--          packed webhooks, packed leases, events, each a list of all their fields.
--          webhook: merchant, id, url, encoding, secret, previous secret and headers or empty
--          lease:   index of the webhook, index of the event, id of the delivery (12 bytes), id of
--                   the event, type, 1 for a test, sequence, claims so far, attempts, reclaims
--          event:   what is stored of it, and its trace

drain()
local limit, lease, per = num(), num(), num()
local lease_end = string.format('%.0f', now + lease)
if tonumber(call('HGET', P .. 'c', 'cap') or 0) ~= per then
  call('HSET', P .. 'c', 'cap', per) -- Webhooks that have leases may or may not have room now.
  cap_now = per
  for _, n in ipairs(call('ZRANGE', HELD, 0, -1)) do
    local w = call('HMGET', key('w', n), 'st', 'rl')
    offer(n, w[1] == 'active', w[2])
  end
end

local webhooks, events, leases = {}, {}, {}
local hooks, sent = 0, 0
local event_at = {} -- key of an event -> its index, or false
local TRACED = 0x97 -- the first byte of a packed head of seven
local function fetch(keys)
  if #keys == 0 then return end
  for i, s in ipairs(call('MGET', unpack(keys))) do
    if s then
      local trace = ''
      if string.byte(s, 9) == TRACED then
        local _, len = struct.unpack('>I4I4', s)
        trace = cmsgpack.unpack(string.sub(s, 9, 8 + len))[7]
      end
      events[2 * sent + 1], events[2 * sent + 2] = s, trace -- Whole: the client cuts the body out.
      sent = sent + 1
      event_at[keys[i]] = sent
    end
  end
end

local taken = 0 -- leases so far

-- recover puts back what was leased and not finished in time.
local function recover(n)
  local w = call('HMGET', key('w', n), 'st', 'rl')
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
  offer(n, active, w[2])
  return #over / 2
end

local function visit(n)
  local w = call('HMGET', key('w', n), 'st', 'ep', 'm', 'id', 'url', 'enc', 'sec', 'psec', 'pu', 'hd', 'rl')
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
    if room <= 0 then return end
    local ids = call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, room)
    if #ids == 0 then return end
    call('ZREM', set, unpack(ids))
    local found, wanted, keys = call('HMGET', key('d', n), unpack(ids)), {}, {}
    for i, packed in ipairs(found) do
      local r = packed and cmsgpack.unpack(packed)
      if r and r[STATE] == PENDING then
        local k = event_key(w[3], r[EVENT])
        found[i], keys[i] = r, k
        if event_at[k] == nil then
          event_at[k] = false
          wanted[#wanted + 1] = k
        end
      end
    end
    fetch(wanted)
    for i, r in ipairs(found) do
      local body = event_at[keys[i] or '']
      if body then -- Nothing else can be delivered.
        if r[OPEN] == 1 then r[RECLAIMS] = r[RECLAIMS] + 1 end
        r[TOKEN], r[OPEN], r[EPOCH], r[AT] = r[TOKEN] + 1, 1, epoch, now + lease - r[CREATED]
        records[#records + 1], records[#records + 2] = ids[i], cmsgpack.pack(r)
        held[#held + 1], held[#held + 2] = lease_end, ids[i]
        if not index then
          local previous = tonumber(w[9] or 0) > now and w[8] or ''
          local m = 7 * hooks
          webhooks[m + 1], webhooks[m + 2], webhooks[m + 3], webhooks[m + 4] = w[3], w[4], w[5] or '', w[6] or ''
          webhooks[m + 5], webhooks[m + 6], webhooks[m + 7] = w[7] or '', previous, w[10] or ''
          hooks = hooks + 1
          index = hooks
        end
        local m = 10 * taken
        leases[m + 1], leases[m + 2], leases[m + 3], leases[m + 4], leases[m + 5] = index, body, ids[i], r[EVENT], r[TYPE]
        leases[m + 6], leases[m + 7], leases[m + 8], leases[m + 9], leases[m + 10] = r[FLAGS] % 2, r[SEQ], r[TOKEN], #r[LOG], r[RECLAIMS]
        taken = taken + 1
      end
    end
    room = room - #ids
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
  -- As offer does, of what is known here. Nothing comes sooner than claimers know,
  -- for this one was due.
  local at = due_at(n, active, rl, leased + #held / 2, test or false)
  if at then call('ZADD', READY, at, n) else call('ZREM', READY, n) end
end

-- Webhooks take turns by what is due, so what leases left comes back first.
local recovered = 0
repeat
  local n = call('ZRANGEBYSCORE', HELD, '-inf', now, 'LIMIT', 0, 1)[1]
  if n then recovered = recovered + 1 + recover(n) end
until not n or recovered > 1000

local seen, visits = {}, 0
repeat
  local fresh = false
  for _, n in ipairs(call('ZRANGEBYSCORE', READY, '-inf', now, 'LIMIT', 0, 64)) do
    if taken >= limit then break end
    if not seen[n] then
      seen[n], fresh = true, true
      visits = visits + 1
      visit(n)
    end
  end
until not fresh or taken >= limit or visits > 256

local next, at = -1, soonest()
if at then next = math.max((at - now) * 1000 - micros, 0) end
local notice = first(P .. 'nv')
return { 'OK', next, notice and notice <= now and 1 or 0, cmsgpack.pack(webhooks), cmsgpack.pack(leases), events }
