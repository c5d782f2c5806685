-- Stores events and a pending delivery for each subscriber. All events that it
-- answers for are stored, or none is.
--
-- KEYS[2…] the events, one key each
-- ARGV[4]  after how many deliveries to stop
-- ARGV[5]  number of events, followed by seven arguments for each: merchant, id, type,
--          fingerprint (16 bytes), id of the webhook to test or empty, trace, body
-- Reply    OK, and for each event until it stopped: 0 new, 1 duplicate or 2 conflict, the ids
--          of the deliveries in 12 bytes each; NOTFOUND if a webhook to test is not there

local budget, count = num(), num()

for i = 1, count do
  local at = at_arg + i * 7 - 6
  local merchant, test = ARGV[at], ARGV[at + 4]
  if test ~= '' and not number_of(merchant, test) and call('EXISTS', KEYS[i + 1]) == 0 then return fail('NOTFOUND', test) end
end

-- What is known of a merchant: number of events, those made here by page, subscribers by type.
local merchants = {}
local function merchant_of(id)
  local m = merchants[id]
  if not m then
    m = { M = esc(id), sequence = nil, listed = {}, lists = {} }
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
  m.lists[type] = out
  return out
end

local webhooks, order = {}, {}
local function webhook(n)
  local w = webhooks[n]
  if not w then
    local f = call('HMGET', key('w', n), 'seq', 'rl', 'pg')
    w = { n = n, seq = tonumber(f[1] or 0), rl = f[2], page = tonumber(f[3] or ''), records = {}, pages = {}, q = {}, t = {} }
    webhooks[n], order[#order + 1] = w, w
  end
  return w
end

local function flush(w)
  if #w.records == 0 then return end
  call('HSET', key('d', w.n), unpack(w.records))
  for page, ids in pairs(w.pages) do
    call('HSET', key('g', w.n) .. ':' .. page, unpack(ids))
    if page ~= w.page then call('ZADD', key('p', w.n), page, page) end
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
    w.page = nil -- It may have been the only one there.
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
  q[#q + 1] = NOW
  q[#q + 1] = id
  if #r >= 800 then flush(w) end
end

local made, reply = 0, { 'OK' }
for i = 1, count do
  if made >= budget then break end
  local merchant, id, type, print, test, trace, body = arg(), arg(), arg(), arg(), arg(), arg(), arg()
  local k = KEYS[i + 1]
  local _, h = head(k)
  if h and h[5] == print then
    reply[#reply + 1] = 1
    reply[#reply + 1] = h[6]
  elseif h then
    reply[#reply + 1] = 2
    reply[#reply + 1] = ''
  else
    local m = merchant_of(merchant)
    local to = test == '' and fan_out(m, type) or { { test, number_of(merchant, test) } }
    local ids = {}
    for j, s in ipairs(to) do ids[j] = delivery_id(merchant, id, s[1]) end
    local all, seq = table.concat(ids), 0
    if test == '' then
      m.sequence = (m.sequence or tonumber(call('GET', key('k', m.M)) or 0)) + 1
      seq = m.sequence
    end
    h = cmsgpack.pack({ test ~= '' and TEST or 0, now, seq, type, print, all, trace ~= '' and trace or nil })
    call('SET', k, struct.pack('>I4I4', #to, #h) .. h .. body)
    if seq > 0 then
      local page = math.floor(seq / PAGE)
      local p = m.listed[page] or {}
      m.listed[page] = p
      p[#p + 1] = seq % PAGE
      p[#p + 1] = id
    end
    if #to == 0 then call('ZADD', P .. 'idle', NOW, m.M .. ':' .. esc(id)) end
    for j, s in ipairs(to) do deliver(webhook(s[2]), ids[j], id, type, test ~= '') end
    made, difference = made + #to, difference + #to
    reply[#reply + 1] = 0
    reply[#reply + 1] = all
  end
end

for _, m in pairs(merchants) do
  for page, ids in pairs(m.listed) do
    local pk = key('v', m.M) .. ':' .. page
    local span = call('HMGET', pk, 'a', 'z')
    call('HSET', pk, 'a', math.min(tonumber(span[1] or now), now), 'z', math.max(tonumber(span[2] or now), now), unpack(ids))
    if not span[1] then call('ZADD', key('x', m.M), page, page) end
  end
  if m.sequence then call('SET', key('k', m.M), string.format('%.0f', m.sequence)) end
end
for _, w in ipairs(order) do
  flush(w)
  local page = math.floor(w.seq / PAGE)
  if page == w.page then
    call('HSET', key('w', w.n), 'seq', w.seq)
  else
    call('HSET', key('w', w.n), 'seq', w.seq, 'pg', page)
  end
  offer_now(w.n, w.rl)
end
tally()
wake()
return reply
