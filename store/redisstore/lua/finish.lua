-- Settles leases.
--
-- ARGV[4]  the results, a packed list of 16 fields for each: merchant, id of the webhook,
--          id of the delivery (12 bytes), token, outcome (s f r l: success, failed, retry,
--          released), delay in milliseconds, 1 for a fault, streak (0 same, 1 reset, 2 extend),
--          streak that disables or 0, reason, streak that warns or 0, milliseconds between warnings,
--          duration in milliseconds, status, error, body
-- Reply    OK, and for each result: 0 accepted, 1 accepted and disabled, 2 repeated, 3 stale, 4 gone

drain()
local results = cmsgpack.unpack(arg())

local webhooks, order = {}, {}
local function webhook(merchant, id)
  local known = merchant .. '\n' .. id
  local w = webhooks[known]
  if w == nil then
    local n = number_of(merchant, id)
    local f = n and call('HMGET', key('w', n), 'st', 'ep', 'cf', 'rl', 'al', 'fs', 'ok', 'at')
    w = false
    if f and f[1] then
      local streak, began = tonumber(f[3] or 0), tonumber(f[6] or '')
      w = {
        n = n, m = merchant, id = id, st = f[1], ep = tonumber(f[2]), cf = streak, was = streak, rl = f[4],
        al = f[5] and cmsgpack.unpack(f[5]), fs = began, began = began, ok = tonumber(f[7] or 0), at = tonumber(f[8] or 0),
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

-- Fields of an alarm: see al in lib.lua.
local EPOCH_OF, SINCE, WARNED, ROUND = 1, 2, 3, 4

local function alarm(w)
  w.al = w.al or { 0, 0, 0, 0 }
  return w.al
end

-- tell leaves a notice for the owner of the webhook.
local function tell(w, kind, reason, threshold)
  local al, since = alarm(w), w.fs
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
  local al = alarm(w)
  if warn > 0 and w.cf >= warn and al[EPOCH_OF] ~= w.ep and (al[WARNED] == 0 or now - al[WARNED] >= pause) then
    al[WARNED] = now
    tell(w, 'warning', '', threshold)
  end
  return false
end

-- All records of a webhook are read at once, and unpacked when a result is for one.
for i = 1, #results, 16 do
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

local function finish(merchant, wid, id, token, outcome, delay, fault, streak, threshold, reason, warn, pause, duration, status, err, body)
  local w = webhook(merchant, wid)
  if not w then return 4 end
  local r = w.records[id]
  if not r then return 4 end
  if type(r) == 'string' then r = cmsgpack.unpack(r) end
  if r[TOKEN] == 0 or r[SEQ] * 65536 + r[TOKEN] ~= token then return 3 end
  if r[OPEN] ~= 1 then return 2 end

  local disabled = 0
  w.records[id] = r
  r[OPEN] = 0
  w.ids[#w.ids + 1] = id
  if outcome ~= 'l' then
    r[LOG][#r[LOG] + 1] = { now, duration, status, err, body }
    w.at, w.tried = w.at + 1, true
    if r[EPOCH] == w.ep then
      if streak == 1 then
        w.cf = 0
        if w.st == 'active' and w.al and w.al[EPOCH_OF] ~= 0 then tell(w, 'recovered', '', 0) end
      elseif streak == 2 and extend(w, threshold, reason, warn, pause) then
        disabled = 1
      end
    end
  end
  if outcome == 's' or outcome == 'f' then
    r[STATE], r[AT] = outcome == 's' and SUCCESS or FAILED, now - r[CREATED]
    if outcome == 's' then w.ok = w.ok + 1 end
    queue(w, 'f', NOW, id)
    settle(w, r)
  else
    if outcome == 'l' and fault == 1 then r[RECLAIMS] = r[RECLAIMS] + 1 end
    r[AT] = now + delay - r[CREATED]
    queue(w, is_test(r) and 't' or 'q', now + delay, id)
    w.back = w.back or {}
    w.back[#w.back + 1] = r
  end
  return disabled
end

local reply = { 'OK' }
for i = 1, #results, 16 do reply[#reply + 1] = finish(unpack(results, i, i + 15)) end

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
      call('HSET', key('w', w.n), 'at', w.at, 'ok', w.ok, 'cf', w.cf, 'fs', w.fs or 0)
    elseif w.tried then
      call('HSET', key('w', w.n), 'at', w.at, 'ok', w.ok)
    end
    if w.st ~= 'active' and w.back then
      for _, r in ipairs(w.back) do paused(w.n, r) end
    end
    offer(w.n, w.st == 'active', w.rl)
  end
end
local idle = {}
for _, name in ipairs(event_order) do expect(name, settled[name], idle) end
if #idle > 0 then call('ZADD', P .. 'idle', unpack(idle)) end
tally()
wake()
return reply
