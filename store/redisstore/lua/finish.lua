-- Settles leases.
--
-- ARGV[4]  the results, a packed list of 15 fields for each: merchant, id of the webhook,
--          id of the delivery (12 bytes), token, outcome, delay in milliseconds, 1 for a fault, streak (0 same, 1 reset, 2 extend),
--          streak that disables or 0, for how long it must have lasted, reason,
--          duration in milliseconds, status, code, body
-- Reply    OK, and for each result: 0 accepted, 1 accepted and disabled, 2 repeated, 3 stale, 4 gone.
--          Where the caller has to know how the webhook stands, it is a list that begins with this:
--          1 if it is active, streak, when that began or 0, how often it was disabled, mark

drain()
local results = cmsgpack.unpack(arg())

local webhooks, order = {}, {}
local function webhook(merchant, id)
  local known = merchant .. '\n' .. id
  local w = webhooks[known]
  if w == nil then
    local n = number_of(merchant, id)
    local f = n and call('HMGET', key('w', n), 'st', 'ep', 'cf', 'rl', 'fs', 'ok', 'at', 'db', 'mk')
    w = false
    if f and f[1] then
      local streak, began = tonumber(f[3] or 0), tonumber(f[5] or 0)
      w = {
        n = n, m = merchant, id = id, st = f[1], ep = tonumber(f[2]), cf = streak, was = streak, rl = f[4],
        fs = began, began = began, ok = tonumber(f[6] or 0), at = tonumber(f[7] or 0), db = tonumber(f[8] or 0), mk = f[9] or '',
        records = {}, ids = {},
      }
      order[#order + 1] = w
    end
    webhooks[known] = w
  end
  return w
end

local settled, event_order = {}, {}
local function settle(w, r)
  local name = member(w.m, r[EVENT])
  if not settled[name] then event_order[#event_order + 1] = name end
  settled[name] = (settled[name] or 0) - 1
end

-- disable turns the webhook off and leaves a notice for its owner.
local function disable(w, reason, threshold)
  w.st, w.db = 'disabled', w.db + 1
  local f = call('HMGET', key('w', w.n), 'ev', 'url')
  subscribe(esc(w.m), w.id, w.n, cmsgpack.unpack(f[1]), false)
  call('HINCRBY', key('w', w.n), 'ver', 1)
  call('HSET', key('w', w.n), 'st', 'disabled', 'dr', reason, 'da', now, 'up', now, 'wk', 0, 'db', w.db)
  call('ZADD', P .. 'off', '-inf', w.n)
  notify(w.n, w.m, w.id, w.n .. '.' .. w.ep, 'disabled', f[2] or '', reason, w.cf, threshold, w.fs)
end

-- extend makes the streak longer, and says if that has disabled the webhook.
local function extend(w, threshold, span, reason)
  if w.cf == 0 then w.fs = now end
  w.cf = w.cf + 1
  if w.st ~= 'active' or threshold == 0 or w.cf < threshold or now - w.fs < span then return 0 end
  disable(w, reason, threshold)
  return 1
end

-- All records of a webhook are read at once, and unpacked when a result is for one.
for i = 1, #results, 15 do
  local w = webhook(results[i], results[i + 1])
  if w then w.ids[#w.ids + 1] = results[i + 2] end
end
for _, w in ipairs(order) do
  for i, packed in ipairs(call('HMGET', key('d', w.n), unpack(w.ids))) do w.records[w.ids[i]] = packed end
  w.ids = {} -- of accepted results
end

-- queue notes for one kind of queue of a webhook what it will get.
local function queue(w, kind, at, id)
  local l = w[kind]
  if not l then
    l = {}
    w[kind] = l
  end
  l[#l + 1], l[#l + 2] = at, id
end

local function finish(merchant, wid, id, token, outcome, delay, fault, streak, threshold, span, reason, duration, status, code, body)
  local w = webhook(merchant, wid)
  if not w then return 4 end
  local r = w.records[id]
  if not r then return 4 end
  if type(r) == 'string' then r = cmsgpack.unpack(r) end
  if r[TOKEN] == 0 or r[TOKEN] ~= token then return 3 end
  if r[OPEN] ~= 1 then return 2 end

  local answer = 0
  w.records[id] = r
  local over = r[CREATED] + r[AT]
  if over <= now and call('ZSCORE', key('l', w.n), id) then w.since = math.min(w.since or over, over) end
  r[OPEN] = 0
  w.ids[#w.ids + 1] = id
  if outcome ~= 'released' then
    r[LOG][#r[LOG] + 1] = { now, duration, status, code, body }
    w.at, w.tried = w.at + 1, true
    if r[EPOCH] == w.ep then
      local disabled = streak == 2 and extend(w, threshold, span, reason) or 0
      if streak == 1 then w.cf = 0 end
      if streak == 2 or streak == 1 and (w.db > 0 or w.mk ~= '') then
        answer = { disabled, w.st == 'active' and 1 or 0, w.cf, w.fs, w.db, w.mk }
      end
    end
  end
  if outcome == 'success' or outcome == 'failed' then
    r[STATE], r[AT] = outcome == 'success' and SUCCESS or FAILED, now - r[CREATED]
    if outcome == 'success' then w.ok = w.ok + 1 end
    queue(w, 'f', NOW, id)
    settle(w, r)
  else
    if outcome == 'released' and fault == 1 then r[RECLAIMS] = r[RECLAIMS] + 1 end
    r[AT] = now + delay - r[CREATED]
    queue(w, is_test(r) and 't' or 'q', now + delay, id)
    w.back = w.back or {}
    w.back[#w.back + 1] = r
  end
  return answer
end

local reply = { 'OK' }
for i = 1, #results, 15 do reply[#reply + 1] = finish(unpack(results, i, i + 14)) end

-- put adds what one kind of queue of a webhook gets, and returns how much is new.
local function put(w, kind) return w[kind] and call('ZADD', key(kind, w.n), unpack(w[kind])) or 0 end

for _, w in ipairs(order) do
  if #w.ids > 0 then
    local packed = {}
    for _, id in ipairs(w.ids) do packed[#packed + 1], packed[#packed + 2] = id, cmsgpack.pack(w.records[id]) end
    call('HSET', key('d', w.n), unpack(packed))
    if call('ZREM', key('l', w.n), unpack(w.ids)) < #w.ids then -- A lease had ended, and a claim put it back.
      call('ZREM', key('q', w.n), unpack(w.ids))
      call('ZREM', key('t', w.n), unpack(w.ids))
    end
    put(w, 'q')
    put(w, 't')
    local ended = put(w, 'f')
    if ended > 0 then -- As rekey_ended does.
      call('ZADD', P .. 'old', 'LT', NOW, w.n)
      call('ZINCRBY', P .. 'full', ended, w.n)
    end
    if w.cf ~= w.was or w.fs ~= w.began then
      call('HSET', key('w', w.n), 'at', w.at, 'ok', w.ok, 'cf', w.cf, 'fs', w.fs)
    elseif w.tried then
      call('HSET', key('w', w.n), 'at', w.at, 'ok', w.ok)
    end
    if w.st ~= 'active' and w.back then
      for _, r in ipairs(w.back) do paused(w.n, r) end
    end
    offer(w.n, w.st == 'active', w.rl, w.since)
  end
end
local idle = {}
for _, name in ipairs(event_order) do expect(name, settled[name], idle) end
if #idle > 0 then call('ZADD', P .. 'idle', unpack(idle)) end
tally()
wake()
return reply
