-- Settles leases.
--
-- ARGV[4]  number of results, followed by 16 arguments for each: merchant, id of the webhook,
--          id of the delivery (12 bytes), token, outcome (s f r l: success, failed, retry,
--          released), delay in milliseconds, 1 for a fault, streak (0 same, 1 reset, 2 extend),
--          streak that disables or 0, reason, streak that warns or 0, milliseconds between warnings,
--          duration in milliseconds, status, error, body
-- Reply    OK, and for each result: 0 accepted, 1 accepted and disabled, 2 repeated, 3 stale, 4 gone

drain()
local count = num()

local webhooks, order = {}, {}
local function webhook(merchant, id)
  local known = merchant .. '\n' .. id
  local w = webhooks[known]
  if w == nil then
    local n = number_of(merchant, id)
    local f = n and call('HMGET', key('w', n), 'st', 'ep', 'cf', 'rl', 'al', 'fs')
    w = false
    if f and f[1] then
      w = {
        n = n, m = merchant, id = id, st = f[1], ep = tonumber(f[2]), cf = tonumber(f[3] or 0), was = tonumber(f[3] or 0), rl = f[4],
        al = f[5] and cmsgpack.unpack(f[5]) or { 0, 0, 0, 0 }, fs = tonumber(f[6] or ''), began = tonumber(f[6] or ''),
        ok = 0, at = 0, records = {}, ids = {}, back = {}, q = {}, t = {}, f = {},
      }
      order[#order + 1] = w
    end
    webhooks[known] = w
  end
  return w
end

local events, event_order = {}, {}
local function settle(w, r)
  local k = w.m .. '\n' .. r[EVENT]
  local e = events[k]
  if not e then
    e = { w.m, r[EVENT], 0 }
    events[k], event_order[#event_order + 1] = e, e
  end
  e[3] = e[3] - 1
end

-- Fields of an alarm: see al in lib.lua.
local EPOCH_OF, SINCE, WARNED, ROUND = 1, 2, 3, 4

-- tell leaves a notice for the owner of the webhook.
local function tell(w, kind, reason, threshold)
  local al, since = w.al, w.fs
  local suffix = kind == 'disabled' and '' or '.' .. kind .. '.' .. string.format('%.0f', al[ROUND])
  local notice = esc(w.m) .. ':' .. w.id .. '.' .. w.ep .. suffix
  local url = call('HGET', key('w', w.n), 'url') or ''
  if kind == 'recovered' then since = al[SINCE] end
  call('HSET', P .. 'no', notice, cmsgpack.pack({ w.m, w.id, url, reason, w.cf, now, w.ep, kind, al[ROUND], since, threshold, w.n }))
  call('ZADD', P .. 'nv', now, notice)
  call('ZADD', P .. 'na', now, notice)
  call('ZADD', key('nw', w.n), now, notice)
  if kind == 'recovered' then
    al[EPOCH_OF], al[ROUND] = 0, al[ROUND] + 1
  else
    if al[EPOCH_OF] == 0 then al[SINCE] = w.fs end
    al[EPOCH_OF] = w.ep
  end
  call('HSET', key('w', w.n), 'al', cmsgpack.pack(al))
  woken = true
end

-- disable turns the webhook off and leaves a notice for its owner.
local function disable(w, reason, threshold)
  w.st = 'disabled'
  subscribe(esc(w.m), w.id, w.n, cmsgpack.unpack(call('HGET', key('w', w.n), 'ev')), false)
  call('HINCRBY', key('w', w.n), 'ver', 1)
  call('HSET', key('w', w.n), 'st', 'disabled', 'dr', reason, 'da', now, 'up', now, 'wk', 0)
  call('ZADD', P .. 'off', '-inf', w.n)
  tell(w, 'disabled', reason, threshold)
end

-- extend makes the streak longer, and says if that has disabled the webhook.
local function extend(w, threshold, reason, warn, pause)
  if w.cf == 0 or not w.fs then w.fs = now end
  w.cf = w.cf + 1
  if w.st ~= 'active' then return false end
  if threshold > 0 and w.cf >= threshold then
    disable(w, reason, threshold)
    return true
  end
  local al = w.al
  if warn > 0 and w.cf >= warn and al[EPOCH_OF] ~= w.ep and (al[WARNED] == 0 or now - al[WARNED] >= pause) then
    al[WARNED] = now
    tell(w, 'warning', '', threshold)
  end
  return false
end

local function finish()
  local merchant, wid, id, token, outcome, delay = arg(), arg(), arg(), num(), arg(), num()
  local fault, streak, threshold, reason, warn, pause = arg(), num(), num(), arg(), num(), num()
  local duration, status, err, body = num(), num(), arg(), arg()
  local w = webhook(merchant, wid)
  if not w then return 4 end
  local r = w.records[id]
  if not r then
    r = load(w.n, id)
    if not r then return 4 end
  end
  if r[TOKEN] == 0 or r[SEQ] * 65536 + r[TOKEN] ~= token then return 3 end
  if r[OPEN] ~= 1 then return 2 end

  local disabled = 0
  w.records[id] = r
  r[OPEN] = 0
  w.ids[#w.ids + 1] = id
  if outcome ~= 'l' then
    r[LOG][#r[LOG] + 1] = { now, duration, status, err, body }
    w.at = w.at + 1
    if r[EPOCH] == w.ep then
      if streak == 1 then
        w.cf = 0
        if w.st == 'active' and w.al[EPOCH_OF] ~= 0 then tell(w, 'recovered', '', 0) end
      elseif streak == 2 and extend(w, threshold, reason, warn, pause) then
        disabled = 1
      end
    end
  end
  if outcome == 's' or outcome == 'f' then
    r[STATE], r[AT] = outcome == 's' and SUCCESS or FAILED, now - r[CREATED]
    if outcome == 's' then w.ok = w.ok + 1 end
    w.f[id] = now
    settle(w, r)
  else
    if outcome == 'l' and fault == '1' then r[RECLAIMS] = r[RECLAIMS] + 1 end
    r[AT] = now + delay - r[CREATED]
    w[is_test(r) and 't' or 'q'][id] = now + delay
    w.back[#w.back + 1] = r
  end
  return disabled
end

local reply = { 'OK' }
for i = 1, count do
  at_arg = 4 + (i - 1) * 16
  reply[i + 1] = finish()
end

-- put adds the members of one kind of queue of a webhook.
local function put(w, kind)
  local args = {}
  for id, at in pairs(w[kind]) do args[#args + 1], args[#args + 2] = at, id end
  if #args > 0 then call('ZADD', key(kind, w.n), unpack(args)) end
  return #args > 0
end

for _, w in ipairs(order) do
  if #w.ids > 0 then
    local packed = {}
    for id, r in pairs(w.records) do packed[#packed + 1], packed[#packed + 2] = id, cmsgpack.pack(r) end
    call('HSET', key('d', w.n), unpack(packed))
    if call('ZREM', key('l', w.n), unpack(w.ids)) < #w.ids then -- A lease had ended, and a claim put it back.
      call('ZREM', key('q', w.n), unpack(w.ids))
      call('ZREM', key('t', w.n), unpack(w.ids))
    end
    put(w, 'q')
    put(w, 't')
    if put(w, 'f') then rekey_ended(w.n) end
    if w.at > 0 then call('HINCRBY', key('w', w.n), 'at', w.at) end
    if w.ok > 0 then call('HINCRBY', key('w', w.n), 'ok', w.ok) end
    if w.cf ~= w.was or w.fs ~= w.began then call('HSET', key('w', w.n), 'cf', w.cf, 'fs', w.fs or 0) end
    if w.st ~= 'active' then
      for _, r in ipairs(w.back) do paused(w.n, r) end
    end
    offer(w.n, w.st == 'active', w.rl)
  end
end
local idle = {}
for _, e in ipairs(event_order) do expect(e[1], e[2], e[3], idle) end
if #idle > 0 then call('ZADD', P .. 'idle', unpack(idle)) end
tally()
wake()
return reply
