-- Stores events of one merchant and a pending delivery for each subscriber. All
-- events that it answers for are stored, or none is.
--
-- KEYS[2…] the events, one key each
-- ARGV[4]  merchant
-- ARGV[5]  after how many deliveries to stop
-- ARGV[6]  number of events, followed by six arguments for each:
--          id, type, fingerprint (16 bytes), id of the webhook to test or empty, trace, body
-- Reply    OK, and for each event until it stopped: 0 new, 1 duplicate or 2 conflict, the ids
--          of the deliveries in 12 bytes each; NOTFOUND if a webhook to test is not there

local merchant, budget, count = arg(), num(), num()
local M, base = esc(merchant), at_arg

for i = 1, count do
  local test = ARGV[base + i * 6 - 2]
  if test ~= '' and not number_of(merchant, test) and call('EXISTS', KEYS[i + 1]) == 0 then return fail('NOTFOUND', test) end
end

-- fan_out merges the subscribers of one type and of every type, by id.
local lists = {}
local function fan_out(type)
  if lists[type] then return lists[type] end
  local out, seen = {}, {}
  for _, kind in ipairs({ type, '*' }) do
    for _, s in ipairs(subscribers(M, kind)) do
      if not seen[s[2]] then
        seen[s[2]] = true
        out[#out + 1] = s
      end
    end
  end
  table.sort(out, function(a, b) return a[1] < b[1] end)
  lists[type] = out
  return out
end

local webhooks, order = {}, {}
local function webhook(n)
  local w = webhooks[n]
  if not w then
    local f = call('HMGET', key('w', n), 'seq', 'st', 'rl')
    w = { n = n, seq = tonumber(f[1] or 0), active = f[2] == 'active', rl = f[3], records = {}, pages = {}, q = {}, t = {} }
    webhooks[n], order[#order + 1] = w, w
  end
  return w
end

local function flush(w)
  if #w.records == 0 then return end
  call('HSET', key('d', w.n), unpack(w.records))
  for page, ids in pairs(w.pages) do
    call('HSET', key('g', w.n) .. ':' .. page, unpack(ids))
    call('ZADD', key('p', w.n), page, page)
  end
  if #w.q > 0 then call('ZADD', key('q', w.n), unpack(w.q)) end
  if #w.t > 0 then call('ZADD', key('t', w.n), unpack(w.t)) end
  w.records, w.pages, w.q, w.t = {}, {}, {}, {}
end

-- deliver makes a delivery, due now. One with its id can only be of an earlier
-- life of the event: it has ended, and gives way.
local function deliver(w, id, event, type, test)
  local old = load(w.n, id)
  if old then
    remove(w.n, id, old)
    rekey_ended(w.n)
  end
  w.seq = w.seq + 1
  local r, page = w.records, math.floor(w.seq / PAGE)
  r[#r + 1] = id
  r[#r + 1] = cmsgpack.pack({ w.seq, event, type, test and TEST or 0, now, PENDING, 0, 0, 0, 0, 0, '', {} })
  local p = w.pages[page] or {}
  w.pages[page] = p
  p[#p + 1] = w.seq % PAGE
  p[#p + 1] = id
  local q = test and w.t or w.q
  q[#q + 1] = now
  q[#q + 1] = id
  if #r >= 800 then flush(w) end
end

local sequence = tonumber(call('GET', key('k', M)) or 0)
local listed = {}
local made, reply = 0, { 'OK' }
for i = 1, count do
  if made >= budget then break end
  local id, type, print, test, trace, body = arg(), arg(), arg(), arg(), arg(), arg()
  local k = KEYS[i + 1]
  local _, h = head(k)
  if h and h[5] == print then
    reply[#reply + 1] = 1
    reply[#reply + 1] = h[6]
  elseif h then
    reply[#reply + 1] = 2
    reply[#reply + 1] = ''
  else
    local to = test == '' and fan_out(type) or { { test, number_of(merchant, test) } }
    local ids = {}
    for j, s in ipairs(to) do ids[j] = delivery_id(merchant, id, s[1]) end
    local all, seq = table.concat(ids), 0
    if test == '' then
      sequence = sequence + 1
      seq = sequence
    end
    h = cmsgpack.pack({ test ~= '' and TEST or 0, now, seq, type, print, all, trace ~= '' and trace or nil })
    call('SET', k, struct.pack('>I4I4', #to, #h) .. h .. body)
    if seq > 0 then
      local page = math.floor(seq / PAGE)
      local p = listed[page] or {}
      listed[page] = p
      p[#p + 1] = seq % PAGE
      p[#p + 1] = id
    end
    if #to == 0 then call('ZADD', P .. 'idle', now, M .. ':' .. esc(id)) end
    for j, s in ipairs(to) do deliver(webhook(s[2]), ids[j], id, type, test ~= '') end
    made, difference = made + #to, difference + #to
    reply[#reply + 1] = 0
    reply[#reply + 1] = all
  end
end

local new = false
for page, ids in pairs(listed) do
  local pk = key('v', M) .. ':' .. page
  local span = call('HMGET', pk, 'a', 'z')
  call('HSET', pk, 'a', math.min(tonumber(span[1] or now), now), 'z', math.max(tonumber(span[2] or now), now), unpack(ids))
  call('ZADD', key('x', M), page, page)
  new = true
end
if new then call('SET', key('k', M), string.format('%.0f', sequence)) end
for _, w in ipairs(order) do
  flush(w)
  call('HSET', key('w', w.n), 'seq', w.seq)
  offer(w.n, w.active, w.rl)
end
tally()
wake()
return reply
