-- Stores events and a pending delivery for each subscriber. All events that it
-- answers for are stored, or none is, also if it stops at damaged data: what can fail
-- comes before the first write.
--
-- KEYS[2…] the events, one key each
-- ARGV[4]  after how many deliveries to stop
-- ARGV[5]  number of events, followed by eight arguments for each: merchant, id, type,
--          fingerprint (16 bytes), id of the webhook to test or empty, 1 if it is forged, trace, body
-- Reply    OK, and for each event until it stopped: 0 new, 1 duplicate or 2 conflict, a packed list
--          of the ids of each webhook and its delivery (12 bytes); NOTFOUND if a webhook to test is
--          not there

local budget, count = num(), num()

-- What is read, and what will be written, of merchants and of webhooks.
local merchants, webhooks, order = {}, {}, {}

local function merchant_of(id)
  local m = merchants[id]
  if not m then
    m = { M = esc(id), lists = {}, pages = {} }
    merchants[id] = m
  end
  return m
end

-- fan_out merges the subscribers of one type and of every type, by id.
local function fan_out(m, type)
  if m.lists[type] then return m.lists[type] end
  local packed = call('HMGET', key('s', m.M), type, '*')
  local out = packed[1] and cmsgpack.unpack(packed[1]) or {}
  if packed[2] and type ~= '*' then
    local seen = {}
    for _, s in ipairs(out) do seen[s[2]] = true end
    for _, s in ipairs(cmsgpack.unpack(packed[2])) do
      if not seen[s[2]] then out[#out + 1] = s end
    end
    table.sort(out, function(a, b) return a[1] < b[1] end)
  end
  local numbers = {}
  for j, s in ipairs(out) do numbers[j] = struct.pack('>I4', s[2]) end
  out.numbers = table.concat(numbers)
  m.lists[type] = out
  return out
end

-- list puts an event at the end of its merchant's list and returns its place there.
local function list(m, id)
  local seq = (m.sequence or tonumber(call('GET', key('k', m.M)) or 0)) + 1
  m.sequence = seq
  local page = math.floor(seq / PAGE)
  local p = m.pages[page]
  if not p then
    local pk = key('v', m.M) .. ':' .. page
    local span = call('HMGET', pk, 'a', 'z')
    local a, z = math.min(tonumber(span[1] or now), now), math.max(tonumber(span[2] or now), now)
    p = { new = not span[1], pk, 'a', a, 'z', z }
    m.pages[page] = p
  end
  p[#p + 1], p[#p + 2] = seq % PAGE, id
  return seq
end

local function webhook(n)
  local w = webhooks[n]
  if not w then
    local f = call('HMGET', key('w', n), 'seq', 'rl')
    call('HLEN', key('d', n)) -- Fails now if it is damaged.
    w = { n = n, seq = tonumber(f[1] or 0), records = {}, pages = {}, q = {}, t = {} }
    if call('ZCARD', key('l', n)) < cap() then -- As offer does, since nothing else changes.
      w.at = allowed(now, f[2])
      claimable(w.at)
    end
    webhooks[n], order[#order + 1] = w, w
  end
  return w
end

-- deliver makes a delivery, due now.
local function deliver(n, id, event, type, test)
  local w = webhook(n)
  w.seq = w.seq + 1
  local r, page = w.records, math.floor(w.seq / PAGE)
  r[#r + 1], r[#r + 2] = id, cmsgpack.pack({ w.seq, event, type, test and TEST or 0, now, PENDING, 0, 0, 0, 0, 0, '', {} })
  local p = w.pages[page] or {}
  w.pages[page] = p
  p[#p + 1], p[#p + 2] = w.seq % PAGE, id
  local q = test and w.t or w.q
  q[#q + 1], q[#q + 2] = NOW, id
end

-- repeated returns the ids of webhooks and deliveries of an event that is stored.
local function repeated(merchant, event, h)
  local ids, created = {}, string.format('%.0f', h[2])
  for i = 1, #h[6], 4 do
    local id = call('HGET', key('w', struct.unpack('>I4', h[6], i)), 'id')
    if id then ids[#ids + 1], ids[#ids + 2] = id, delivery_id(merchant, event, id, created) end
  end
  return ids
end

local made, reply = 0, { 'OK' }
local stored, idle = {}, {}
local heads = {} -- of this script's new events, by key
for i = 1, count do
  if made >= budget then break end
  local merchant, id, type, print, test, forged, trace, body = arg(), arg(), arg(), arg(), arg(), arg(), arg(), arg()
  local k, h = KEYS[i + 1], nil
  if heads[k] then
    h = heads[k]
  else
    local _
    _, h = head(k)
  end
  if h and h[5] == print then
    reply[#reply + 1] = 1
    reply[#reply + 1] = cmsgpack.pack(repeated(merchant, id, h))
  elseif h then
    reply[#reply + 1] = 2
    reply[#reply + 1] = cmsgpack.pack({})
  else
    local m, to, seq = merchant_of(merchant), nil, 0
    if test == '' then
      to, seq = fan_out(m, type), list(m, id)
    else
      local n = number_of(merchant, test)
      if not n then return fail('NOTFOUND', test) end
      to = { { test, n }, numbers = struct.pack('>I4', n) }
    end
    local ids = {}
    for j, s in ipairs(to) do
      local delivery = delivery_id(merchant, id, s[1], NOW)
      ids[2 * j - 1], ids[2 * j] = s[1], delivery
      deliver(s[2], delivery, id, type, test ~= '')
    end
    local flags = (test ~= '' and TEST or 0) + (forged == '1' and FORGED or 0)
    h = { flags, now, seq, type, print, to.numbers, trace ~= '' and trace or nil }
    heads[k] = h
    local packed = cmsgpack.pack(h)
    stored[#stored + 1], stored[#stored + 2] = k, struct.pack('>I4I4', #to, #packed) .. packed .. body
    if #to == 0 then idle[#idle + 1], idle[#idle + 2] = NOW, m.M .. ':' .. esc(id) end
    made, difference = made + #to, difference + #to
    reply[#reply + 1] = 0
    reply[#reply + 1] = cmsgpack.pack(ids)
  end
end

-- From here on it writes, first what Redis refuses when its memory is full.
if #stored > 0 then call('MSET', unpack(stored)) end
if #idle > 0 then call('ZADD', P .. 'idle', unpack(idle)) end
for _, m in pairs(merchants) do
  for page, p in pairs(m.pages) do
    call('HSET', unpack(p))
    if p.new then call('ZADD', key('x', m.M), page, page) end
  end
  if m.sequence then call('SET', key('k', m.M), string.format('%.0f', m.sequence)) end
end
for _, w in ipairs(order) do
  call('HSET', key('d', w.n), unpack(w.records))
  for page, ids in pairs(w.pages) do
    call('HSET', key('g', w.n) .. ':' .. page, unpack(ids))
    call('ZADD', key('p', w.n), page, page)
  end
  if #w.q > 0 then call('ZADD', key('q', w.n), unpack(w.q)) end
  if #w.t > 0 then call('ZADD', key('t', w.n), unpack(w.t)) end
  call('HSET', key('w', w.n), 'seq', w.seq)
  if w.at then call('ZADD', READY, 'LT', w.at == now and NOW or w.at, w.n) end
end
tally()
wake()
return reply
