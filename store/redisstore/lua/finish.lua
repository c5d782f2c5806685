-- Settles leases.
--
-- ARGV[5]  number of results, followed by the field of a of each, then what each says: token (6),
--          outcome (1: s f r l x: success, failed, retry, released, failed without an attempt), 1 for a
--          fault (1), streak (1: 0 same, 1 reset, 2 extend, 3 try), delay and hold in milliseconds (6 each), and of one
--          that extends the streak: length that disables or 0 (4), milliseconds for which it must
--          have lasted (6), reason; then the attempt of each, from its duration on (of x: its code)
-- ARGV[#]  number of webhooks, followed by three arguments for each: n, its owner, how many of the
--          results are its
-- Reply    OK, and for each result: 0 accepted, 1 accepted and disabled, 2 repeated, 3 stale, 4 gone,
--          5 damaged, 6 repeated and disabled, or a list of this and where the webhook stands: 1 if active, streak, when it
--          began, disablings, mark

drain()
local count = num()
local F, S, B = args(count), args(count), args(count) -- Where each kind of argument begins.
local groups = num()
local ns, owners, sizes = {}, {}, {}
for g = 1, groups do ns[g], owners[g], sizes[g] = arg(), arg(), num() end

local recs = call('HMGET', A, unpack(ARGV, F, F + count - 1))
local states = call('HMGET', T, unpack(ns))
local reply = { 'OK' }
local gone, changed, saved = {}, {}, {}

-- again answers for a result that is repeated.
local function again(t, seq, token)
  return own(t.n, 'HGET', key('x', t.n), 'dt') == token .. text(seq) and 6 or 2
end

-- late answers for a result of a delivery that is not in a.
local function late(t, seq, token)
  if work >= BUSY then return 5 end -- It is asked again.
  local where, s = locate(t, seq)
  if where == 'q' then return 3 end
  if not where then return 4 end
  return sub(s, 9, 14) == token and token ~= '\0\0\0\0\0\0' and again(t, seq, token) or 3
end

-- settings reads what changes seldom, once. It returns false if that is lost.
local function settings(t)
  if t.x == nil then
    local x = own(t.n, 'HMGET', key('x', t.n), 'm', 'id', 'ev', 'url', 'fs', 'db', 'mk')
    t.x = x[1] and { m = x[1], id = x[2], ev = x[3] or '', url = x[4] or '', fs = tonumber(x[5]) or 0, db = tonumber(x[6]) or 0, mk = x[7] or '' }
    if not x[1] then bad('webhook ' .. t.n, 'settings are lost') end
  end
  return t.x
end

-- extend makes the streak longer, and says if that has disabled the webhook.
local function extend(t, x, s, seq)
  local after, lasted = sunpack('>I4I6', s, 22)
  t[STREAK] = t[STREAK] + 1
  if t[STREAK] == 1 then x.fs, x.began = now, true end
  if t[ACTIVE] == 0 or after == 0 or t[STREAK] < after or now - x.fs < lasted then return false end
  t[ACTIVE], t[TOLD], x.db = 0, 1, x.db + 1
  t.disabled = { by = sub(s, 1, 6) .. text(seq), reason = sub(s, 32), failures = t[STREAK], after = after, since = x.fs }
  return true
end

-- streak does to the streak what a result says, and returns what to answer.
local function streak(t, s, seq)
  local what, was, disabled = byte(s, 9), t[STREAK], false
  if what == 0 then return 0 end
  if what == 1 then t[STREAK], t[UNWELL], t[WELL] = 0, 0, now elseif t[UNWELL] == 0 then t[UNWELL] = now end
  if what == 3 or what == 1 and was == 0 and t[TOLD] == 0 then return 0 end
  local x = settings(t)
  if not x then return 0 end
  if what == 2 then disabled = extend(t, x, s, seq) end
  return { disabled and 1 or 0, t[ACTIVE], t[STREAK], x.fs, x.db, x.mk }
end

-- hold keeps the webhook back for as long as a result says, and says if that is longer than before.
local function hold(t, s)
  local span = sunpack('>I6', s, 16)
  if span == 0 or now + span <= t[HELD] then return false end
  t[HELD], t[SPAN] = now + span, span
  return true
end

-- settle takes one result in. What it will write it notes, since the next result may
-- be of damaged data.
local function settle(t, i, into)
  local name, s, attempt, rec = ARGV[F + i], ARGV[S + i], ARGV[B + i], recs[i + 1]
  local seq, token = tonumber(string.match(name, '%d+$')), sub(s, 1, 6)
  if not rec then return late(t, seq, token) end
  if sub(rec, 1, 6) ~= token or token == '\0\0\0\0\0\0' then return 3 end
  local state = byte(rec, 7)
  if state == 3 then return again(t, seq, token) end
  local fine, el = pcall(element_in, rec, IN_RECORD)
  if not fine then
    into.lost[#into.lost + 1] = { seq, rec }
    return 4
  end
  if state == 1 then t[LEASED], into.freed = t[LEASED] - 1, true else into.unwait[#into.unwait + 1] = { seq, is_test(el) } end
  local outcome, code, same = sub(s, 7, 7), 0, sunpack('>I4', rec, 10) == t[EPOCH]
  if same and hold(t, s) then into.held = true end
  local attempts = byte(rec, 20) * 256 + byte(rec, 21)
  if outcome ~= 'l' and outcome ~= 'x' then
    attempts, attempt = attempts + 1, NOW6 .. attempt
    t[TRIES] = t[TRIES] + 1
    if same then code = streak(t, s, seq) end
  end
  if outcome == 'x' then bad('delivery ' .. name, 'has an event that cannot be read', t.n) end
  if outcome == 's' or outcome == 'f' or outcome == 'x' then
    local page = page_of(seq)
    into.pages[page] = into.pages[page] or {}
    table.insert(into.pages[page], ended(seq, outcome == 's' and 's' or 'f', rec, attempts, attempt))
    into.gone[#into.gone + 1] = name
  else
    local reclaims = sub(rec, 8, 9)
    if outcome == 'l' then
      attempt = ''
      if byte(s, 8) == 1 then reclaims = spack('>I2', math.min(sunpack('>I2', reclaims) + 1, 65535)) end
    end
    rec = token .. '\3' .. reclaims .. sub(rec, 10, 13) .. NOW6 .. spack('>I2', attempts) .. sub(rec, IN_RECORD) .. attempt
    into.again[#into.again + 1] = { seq, now + sunpack('>I6', s, 10), el }
    into.changed[#into.changed + 1], into.changed[#into.changed + 2] = name, rec
  end
  return code
end

-- disable turns the webhook off, and leaves a notice for its owner.
local function disable(t, why)
  local x, k = t.x, key('x', t.n)
  safely('subscribers of ' .. x.m, t.n, subscribe, x.m, x.id, t.n, x.ev, false)
  call('HSET', k, 'dr', why.reason, 'da', NOW, 'db', x.db, 'dt', why.by, 'up', NOW, 'by', '')
  local version = call('HINCRBY', k, 'ver', 1)
  note_change(t.n, spack('>I6I6BI4I4', now, version, 0, 0, #why.reason) .. why.reason .. spack('>I4', 6) .. 'status' .. spack('>I4', 0))
  call('ZADD', P .. 'off', 0, t.n)
  add_notice(t.n, x.m, x.id, 'disabled', x.url, why.reason, why.failures, why.after, why.since)
end

-- write stores what the results of one webhook have changed.
local function write(t, into)
  for _, d in ipairs(into.lost) do drop_claimed(t, d[1], d[2]) end
  for _, d in ipairs(into.unwait) do unwait(t, d[1], d[2]) end
  for page, list in pairs(into.pages) do close(t, page, list) end
  for _, f in ipairs(into.gone) do gone[#gone + 1] = f end
  for _, f in ipairs(into.changed) do changed[#changed + 1] = f end
  if troubled(t) ~= into.troubled then rank(t) end
  local x = t.x
  if x and x.began then call('HSET', key('x', t.n), 'fs', text(x.fs)) end
  for _, d in ipairs(into.again) do wait_again(t, d[1], d[2], d[3]) end
  if t.disabled then disable(t, t.disabled) end
  local full = into.freed and t[PARKED] == 1
  if full then t[PARKED] = 0 end
  if #into.unwait > 0 and t[WAITING] > 0 then look_next(t) end
  if t.disabled or into.held or #into.unwait > 0 then place(t) elseif full or #into.again > 0 then offer(t, now) end
  saved[#saved + 1], saved[#saved + 2] = t.n, pack_state(t)
end

local i = 0
for g = 1, groups do
  local first = i
  local ok, t = pcall(state_of, ns[g], states[g])
  local there = ok and t and t[OWNER] == owners[g]
  local into = { unwait = {}, pages = {}, gone = {}, changed = {}, again = {}, lost = {}, troubled = there and troubled(t) }
  for _ = 1, sizes[g] do
    local code = ok and 4 or 5
    if there then
      local fine, answer = pcall(settle, t, i, into)
      if not fine then bad('delivery ' .. ARGV[F + i], answer, t.n, recs[i + 1]) end
      code = fine and answer or 5
    end
    reply[i + 2] = code
    i = i + 1
  end
  if there and #into.gone + #into.again + #into.lost > 0 and not safely('webhook ' .. t.n, t.n, write, t, into) then
    for j = first, i - 1 do reply[j + 2] = 5 end
  end
end
if #gone > 0 then call('HDEL', A, unpack(gone)) end
if #changed > 0 then call('HSET', A, unpack(changed)) end
if #saved > 0 then call('HSET', T, unpack(saved)) end
return finish(reply)
