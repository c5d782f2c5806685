-- Hides due deliveries until a lease ends.
--
-- ARGV[4]  how many at most
-- ARGV[5]  lease in milliseconds
-- ARGV[6]  how many of one webhook may be leased at any time
-- Reply    OK, microseconds until there is more (-1: nothing waits), 1 if there are notices,
--          webhooks, events, leases.
--          webhook: merchant, id, url, encoding, secret, previous secret and headers or empty
--          event:   its body and trace
--          lease:   index of the webhook, index of the event, id of the delivery (12 bytes), id of
--                   the event, type, 1 for a test, sequence, claims so far, attempts, reclaims

drain()
local limit, lease, per = num(), num(), num()
if tonumber(call('HGET', P .. 'c', 'cap') or 0) ~= per then
  call('HSET', P .. 'c', 'cap', per) -- Webhooks that have leases may or may not have room now.
  cap_now = per
  for _, n in ipairs(call('ZRANGE', HELD, 0, -1)) do
    local w = call('HMGET', key('w', n), 'st', 'rl')
    offer(n, w[1] == 'active', w[2])
  end
end

local webhooks, events, leases = {}, {}, {}
local event_at = {}
local TRACED = 0x97 -- the first byte of a packed head of seven
local function body_of(merchant, event)
  local k = event_key(merchant, event)
  if not event_at[k] then
    local s = call('GET', k)
    if not s then return nil end
    local _, len = struct.unpack('>I4I4', s)
    local trace = string.byte(s, 9) == TRACED and cmsgpack.unpack(string.sub(s, 9, 8 + len))[7] or ''
    events[#events + 1] = { string.sub(s, 9 + len), trace }
    event_at[k] = #events
  end
  return event_at[k]
end

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
  local room = math.min(per - call('ZCARD', key('l', n)), limit - #leases)
  local rate, level
  if rl then
    local left, taken
    rate, left, taken = bucket(rl)
    level = math.min(left + rate * math.max(now - taken, 0), rate * COST)
    room = math.min(room, math.floor(level / COST))
  end
  local records, held, index = {}, {}, nil
  local function take(set)
    if room <= 0 then return end
    local ids = call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, room)
    if #ids == 0 then return end
    call('ZREM', set, unpack(ids))
    for i, packed in ipairs(call('HMGET', key('d', n), unpack(ids))) do
      local r = packed and cmsgpack.unpack(packed)
      local body = r and r[STATE] == PENDING and body_of(w[3], r[EVENT])
      if body then -- Nothing else can be delivered.
        if r[OPEN] == 1 then r[RECLAIMS] = r[RECLAIMS] + 1 end
        r[TOKEN], r[OPEN], r[EPOCH], r[AT] = r[TOKEN] + 1, 1, epoch, now + lease - r[CREATED]
        records[#records + 1], records[#records + 2] = ids[i], cmsgpack.pack(r)
        held[#held + 1], held[#held + 2] = now + lease, ids[i]
        if not index then
          local previous = tonumber(w[9] or 0) > now and w[8] or ''
          webhooks[#webhooks + 1] = { w[3], w[4], w[5] or '', w[6] or '', w[7] or '', previous, w[10] or '' }
          index = #webhooks
        end
        leases[#leases + 1] = { index, body, ids[i], r[EVENT], r[TYPE], r[FLAGS] % 2, r[SEQ], r[TOKEN], #r[LOG], r[RECLAIMS] }
      end
    end
    room = room - #ids
  end
  room = math.min(room, 1000)
  take(key('t', n))
  if active then take(key('q', n)) end
  if index then
    call('HSET', key('d', n), unpack(records))
    call('ZADD', key('l', n), unpack(held))
    if rl then
      rl = string.format('%.0f %.0f %.0f', rate, level - #records / 2 * COST, now)
      call('HSET', key('w', n), 'rl', rl)
    end
  end
  offer(n, active, rl)
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
    if #leases >= limit then break end
    if not seen[n] then
      seen[n], fresh = true, true
      visits = visits + 1
      visit(n)
    end
  end
until not fresh or #leases >= limit or visits > 256

local next, at = -1, soonest()
if at then next = math.max((at - now) * 1000 - micros, 0) end
local notice = first(P .. 'nv')
return { 'OK', next, notice and notice <= now and 1 or 0, webhooks, events, leases }
