-- Hides due deliveries until a lease ends.
--
-- ARGV[5]  how many at most
-- ARGV[6]  lease in milliseconds
-- ARGV[7]  how many of one webhook may be leased at any time
-- ARGV[8]  bytes of bodies, and ARGV[9] 1 if one larger one may be taken alone
-- ARGV[10] the key of the claim or empty
-- ARGV[11] how to go about it: again (only answer what was claimed under the key), new (do so, or
--          else claim), mark (new, and note the key also if nothing is claimed), more (claim)
-- Reply    OK, time, microseconds until there is more (-1: nothing waits), 1 if there are notices,
--          1 if this is what was claimed before, n and what w holds of each webhook, what is stored of
--          each event, three numbers for each lease (index of the webhook, index of the event,
--          seq; '>I2I2I6'), records of the leases

drain()
local limit, lease, per, bytes, alone = num(), num(), num(), num(), arg() == '1'
local name, how = arg(), arg()
local NOTE = name ~= '' and P .. 'key:' .. name

local hooks, events, order, records = {}, {}, {}, {}
local event_at, left = {}, bytes -- key of an event -> its index; bytes that may still come

-- answer adds a lease to the reply.
local function answer(hook, k, seq, rec)
  order[#order + 1] = spack('>I2I2I6', hook, event_at[k], seq)
  records[#records + 1] = rec
end

local function finish(again, next)
  local notice = call('ZRANGE', P .. 'nv', 0, 0, 'WITHSCORES')[2]
  return { 'OK', now, next, notice and tonumber(notice) <= now and 1 or 0, again, hooks, events, table.concat(order), records }
end

-- merchant_of reads the merchant in what w holds of a webhook.
local function merchant_of(blob)
  local size, len = sunpack('>I4I4', blob)
  if #blob ~= 4 + size or size < 4 + len then error('w') end
  return sub(blob, 9, 8 + len)
end

-- add_hook adds a webhook to the reply, and returns its index.
local function add_hook(n, blob)
  hooks[#hooks + 1], hooks[#hooks + 2] = n, blob
  return #hooks / 2
end

-- repeat_claims answers what is left of claims that were made under a key.
local function repeat_claims(note)
  for _, claim in ipairs(cmsgpack.unpack(note)) do
    local fields = {}
    for field in string.gmatch(sub(claim, 13), '%S+') do fields[#fields + 1] = field end
    local hook_of = {}
    for i, rec in ipairs(call('HMGET', A, unpack(fields))) do
      if rec and sub(rec, 1, 7) == sub(claim, 1, 6) .. '\1' and sunpack('>I6', rec, 14) > now then
        local n, seq = string.match(fields[i], '^(%d+):(%d+)$')
        local blob = call('HGET', P .. 'w', n)
        if blob then
          hook_of[n] = hook_of[n] or add_hook(n, blob)
          local _, _, _, event = element((element_in(rec, IN_RECORD)))
          local k = event_key(esc(merchant_of(blob)), event)
          local stored = event_at[k] or call('GET', k)
          if stored then
            if not event_at[k] then
              events[#events + 1] = stored
              event_at[k] = #events
            end
            answer(hook_of[n], k, tonumber(seq), rec)
          end
        end
      end
    end
  end
end

local note = NOTE and how ~= 'more' and call('GET', NOTE)
if note then
  local ok, why = pcall(repeat_claims, note)
  if not ok then bad('key:' .. name, why) end
end
if #records > 0 or how == 'again' then return finish(1, 0) end
if note and how == 'mark' then return finish(1, 0) end -- Other shards may have some.

-- A clock that has gone back leaves times in the future. They are taken as of now: a lease,
-- a retry or a bucket lasts no longer than it would have. Under another bound, who had no
-- room may have some. One claim notices either, and that and the next ones go through all
-- webhooks. It returns true while there are more of them.
local function walk()
  local known = call('HMGET', P .. 'c', 'at', 'cap', 'walk')
  local last, cursor = tonumber(known[1] or 0), known[3]
  if now > last + 1000 or now < last - 1000 then call('HSET', P .. 'c', 'at', NOW) end
  if tonumber(known[2] or per) ~= per then cursor = cursor or 0 end
  if tonumber(known[2]) ~= per then call('HSET', P .. 'c', 'cap', per) end
  if now < last - 1000 then
    cursor = 0
    for _, claim in ipairs(call('ZRANGEBYSCORE', P .. 'h', '(' .. NOW, '+inf', 'LIMIT', 0, 1000)) do
      local span = sunpack('>I6', claim, 7)
      if tonumber(call('ZSCORE', P .. 'h', claim)) - span > now then call('ZADD', P .. 'h', text(now + span), claim) end
    end
  end
  if not cursor then return false end
  local found = call('HSCAN', T, cursor, 'COUNT', 200)
  for i = 1, #found[2], 2 do
    local n = found[2][i]
    local ok, why = pcall(function()
      local t = state_of(n, found[2][i + 1])
      for _, kind in ipairs({ 'z', 'y' }) do
        local late, names = call('ZRANGEBYSCORE', key(kind, n), '(' .. NOW, '+inf', 'WITHSCORES', 'LIMIT', 0, 1000), {}
        for j = 1, #late, 2 do names[#names + 1] = n .. ':' .. late[j] end
        for j, rec in ipairs(#names > 0 and call('HMGET', A, unpack(names)) or {}) do
          local since = rec and sunpack('>I6', rec, 14) or 0
          local at = now + late[2 * j] - since
          if since > now then call('ZADD', key(kind, n), text(at), late[2 * j - 1]) end
          if since > now and kind == 'z' then t[NEXT] = math.min(t[NEXT], at) end
        end
      end
      t[TAKEN], t[PARKED] = math.min(t[TAKEN], now), 0
      save_state(t)
      place(t)
    end)
    if not ok then bad('webhook ' .. n, why) end
  end
  if found[1] == '0' then call('HDEL', P .. 'c', 'walk') else call('HSET', P .. 'c', 'walk', found[1]) end
  return found[1] ~= '0'
end

local walking = walk()
settle_claims()

local TOKEN, taken, full = nil, 0, false
local fields, writes, states = {}, {}, {}
local LEASE_END = spack('>I6', now + lease)

-- fetch reads the events of some deliveries which are not known yet.
local function fetch(keys)
  local wanted = {}
  for _, k in ipairs(keys) do
    if event_at[k] == nil then
      event_at[k] = false
      wanted[#wanted + 1] = k
    end
  end
  if #wanted == 0 then return {} end
  local out = {}
  for i, s in ipairs(call('MGET', unpack(wanted))) do
    event_at[wanted[i]] = nil
    out[wanted[i]] = s
  end
  return out
end

-- waiting lists the records of what waits in z or y, as seq and record by turns, until now.
local function waiting(n, kind, room)
  local seqs = call('ZRANGEBYSCORE', key(kind, n), '-inf', NOW, 'WITHSCORES', 'LIMIT', 0, room)
  local names = {}
  for i = 1, #seqs, 2 do names[#names + 1] = n .. ':' .. seqs[i] end
  return seqs, #names > 0 and call('HMGET', A, unpack(names)) or {}
end

-- candidates lists what could be taken of a webhook, in order, as { seq, element, record or
-- false }, and what is damaged.
local function candidates(t, room)
  local out, lost = {}, {}
  local function add_waiting(seq, rec, kind)
    local ok, el = pcall(function()
      local el = element_in(rec, IN_RECORD)
      element(el)
      return el
    end)
    if ok then out[#out + 1] = { tonumber(seq), el, rec } else lost[#lost + 1] = { tonumber(seq), kind, rec } end
  end
  if t[TESTS] > 0 then
    local seqs, recs = waiting(t.n, 'y', room)
    for i = 1, #recs do add_waiting(seqs[2 * i - 1], recs[i], 'y') end
  end
  if t[ACTIVE] == 0 then return out, lost end
  room = room - #out
  if room <= 0 then return out, lost end
  local fresh = t[LAST] > t[HEAD] and call('LRANGE', key('q', t.n), 0, room - 1) or {}
  local seqs, recs = {}, {}
  if t[WAITING] > 0 and t[NEXT] <= now then seqs, recs = waiting(t.n, 'z', room) end
  local i, j = 1, 1
  for _ = 1, room + #fresh + #recs do
    local el, rec = fresh[i], recs[j]
    if not el and rec == nil or room <= 0 then break end
    local ok, created = true, nil
    if el then ok, created = pcall(element, el) end
    if el and not ok then
      if el ~= '' then lost[#lost + 1] = { t[HEAD] + i, 'q', el } end
      i = i + 1
    elseif el and (rec == nil or created <= tonumber(seqs[2 * j])) then
      out[#out + 1] = { t[HEAD] + i, el, false }
      i, room = i + 1, room - 1
    else
      add_waiting(seqs[2 * j - 1], rec, 'z')
      j, room = j + 1, room - 1
    end
  end
  return out, lost
end

-- drop sets aside what cannot be read, so that it holds up nothing.
local function drop(t, lost)
  for _, d in ipairs(lost) do
    local field = t.n .. ':' .. text(d[1])
    bad('a delivery to webhook ' .. field, d[3] and 'cannot be read' or 'is lost')
    if d[2] ~= 'q' then
      call('HDEL', A, field)
      local gone = call('ZREM', key(d[2], t.n), d[1])
      if d[2] == 'z' then t[WAITING] = t[WAITING] - gone else t[TESTS] = t[TESTS] - gone end
    end
    t[PENDING] = t[PENDING] - 1
    tally(-1)
  end
end

-- visit takes what a webhook may have. It reads and understands all of it before it writes.
local function visit(n, s, blob)
  local t = state_of(n, s)
  if not t or not blob then return false end
  local M = esc(merchant_of(blob))
  local room = math.min(per - t[LEASED], limit - taken)
  local level = math.min(t[LEVEL] + t[RATE] * math.max(now - t[TAKEN], 0), t[RATE] * COST)
  if t[RATE] > 0 then room = math.min(room, math.floor(level / COST)) end
  local list, lost = {}, {}
  if room > 0 then list, lost = candidates(t, room) end
  local keys = {}
  for i, d in ipairs(list) do
    local _, _, _, event, size = element(d[2])
    keys[i], d.size = event_key(M, event), size
  end
  local some, ahead = {}, left -- those that fit
  for i, d in ipairs(list) do
    if not event_at[keys[i]] and not some[keys[i]] then ahead = ahead - d.size end
    if ahead < 0 and not (alone and taken == 0 and i == 1) then
      full = true
      for j = #list, i, -1 do list[j] = nil end
      break
    end
    some[keys[i]] = true
  end
  if full and #list == 0 then return true end -- It keeps its place.
  local wanted = {}
  for i = 1, #list do wanted[i] = keys[i] end
  local found = fetch(wanted)

  -- From here on it writes.
  drop(t, lost)
  local popped, names, base = t[HEAD], {}, nil
  for _, d in ipairs(lost) do
    if d[2] == 'q' then popped = math.max(popped, d[1]) end
  end
  local hook
  for i, d in ipairs(list) do
    local seq, el, rec, k = d[1], d[2], d[3], keys[i]
    if rec then unwait(t, seq, el) else popped = math.max(popped, seq) end
    if not event_at[k] and not found[k] then
      if rec then call('HDEL', A, n .. ':' .. text(seq)) end
      spoil(t, seq, rec, el, 'internal')
      bad('event ' .. sub(k, #P + 3), 'is lost')
      tally(-1)
    else
      if not event_at[k] then
        events[#events + 1] = found[k]
        event_at[k] = #events
        left = left - d.size
      end
      TOKEN = TOKEN or spack('>I6', call('HINCRBY', P .. 'c', 'token', 1))
      if rec then
        local reclaims = sunpack('>I2', rec, 8)
        if byte(rec, 7) == 2 then reclaims = math.min(reclaims + 1, 65535) end
        rec = TOKEN .. '\1' .. spack('>I2I4', reclaims, t[EPOCH]) .. LEASE_END .. sub(rec, 20)
      else
        base = base or TOKEN .. '\1\0\0' .. spack('>I4', t[EPOCH]) .. LEASE_END .. '\0\0'
        rec = base .. spack('>I2', #el) .. el
      end
      hook = hook or add_hook(n, blob)
      local field = n .. ':' .. text(seq)
      writes[#writes + 1], writes[#writes + 2] = field, rec
      fields[#fields + 1] = field
      answer(hook, k, seq, rec)
      taken, t[LEASED] = taken + 1, t[LEASED] + 1
      if t[RATE] > 0 then level, t[LEVEL], t[TAKEN] = level - COST, level - COST, now end
    end
  end
  t[TAKEN] = math.min(t[TAKEN], now) -- A clock that has gone back adds nothing, and takes nothing away.
  if popped > t[HEAD] then
    call('LTRIM', key('q', n), popped - t[HEAD], -1)
    advance(t, popped)
  end
  if t[LAST] > t[HEAD] then strip(t) end
  if t[WAITING] > 0 and t[NEXT] <= now then
    local first = call('ZRANGE', key('z', n), 0, 0, 'WITHSCORES')[2]
    t[NEXT] = tonumber(first or 0)
    if not first then t[WAITING] = 0 end
  end
  t[PARKED] = t[LEASED] >= per and 1 or 0
  local at = t[PARKED] == 0 and due(t, now)
  if at then call('ZADD', R, text(at), n) else call('ZREM', R, n) end
  states[#states + 1], states[#states + 2] = n, pack_state(t)
  return true
end

-- A webhook that cannot be read is left alone for a minute.
local function put_aside(n, why)
  bad('webhook ' .. n, why)
  call('ZADD', R, text(now + 60000), n)
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
    local ok, there = pcall(visit, n, some[i], blobs[i])
    if not ok then
      put_aside(n, there)
    elseif not there then
      call('ZREM', R, n)
      bad('webhook ' .. n, 'is not there')
    end
  end
  step = #new < #ready and step + 64 or 64
until #new == 0 or taken >= limit or full or visits > 256

if #states > 0 then many('HSET', T, states) end
if #writes > 0 then
  many('HSET', A, writes)
  local claim = TOKEN .. spack('>I6', lease) .. table.concat(fields, ' ')
  call('ZADD', P .. 'h', text(now + lease), claim)
  if NOTE then
    local claims = how == 'more' and call('GET', NOTE)
    claims = claims and cmsgpack.unpack(claims) or {}
    claims[#claims + 1] = claim
    call('SET', NOTE, cmsgpack.pack(claims), 'PX', lease + 1000)
  end
elseif NOTE and how == 'mark' then
  call('SET', NOTE, cmsgpack.pack({}), 'PX', lease + 1000)
end

local next = walking and now or nil
for _, set in ipairs({ R, P .. 'h' }) do
  local first = call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]
  if first and (not next or tonumber(first) < next) then next = tonumber(first) end
end
if not next or next > now then call('SET', P .. 'sleep', next and text(next) or '1e15') end
return finish(0, next and math.max((next - now) * 1000 - micros, 0) or -1)
