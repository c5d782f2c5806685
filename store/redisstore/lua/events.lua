-- Lists events of a merchant. Tests are not listed.
--
-- ARGV[5]  merchant
-- ARGV[6]  place beyond which to begin, 0 for the first
-- ARGV[7]  since and ARGV[8] until, in milliseconds, empty for any
-- ARGV[9]  how many at most
-- ARGV[10] id of a webhook or empty, ARGV[11] type or empty, ARGV[12] 1 for the newest first
-- Reply    OK, place beyond which to go on or -1 at the end, and for each: its element, p, s or f of the
--          youngest delivery to the webhook or empty

local merchant, last = arg(), num()
local since, till, limit, id, type, newest = tonumber(arg()) or 0, tonumber(arg()) or math.huge, num(), arg(), arg(), arg() == '1'
local M = esc(merchant)
local v, gone = key('v', M), tonumber(call('HGET', P .. 'k', M) or 0)
local t = id ~= '' and owned(merchant, id)
local reply, found = { 'OK', -1 }, 0

local function delivered(event)
  if not t then return '' end
  local k, youngest = event_key(M, event), 0
  local el, _, ids = head_of(k)
  if not el then return '' end
  for at = 1, #ids, 10 do
    local n, seq = sunpack('>I4I6', ids, at)
    if n == tonumber(t.n) and seq > youngest then youngest = seq end
  end
  local all = call('HGET', P .. 'j', t.n .. ':' .. esc(event)) or ''
  for at = 9, #all, 14 do youngest = math.max(youngest, (sunpack('>I6', all, at))) end
  local where, s = locate(t, youngest)
  return where == 'l' and sub(s, 2, 2) or where and 'p' or ''
end

-- look shows an event if it matches, and says if there is enough.
local function look(at, el)
  if found >= limit or work >= BUSY then
    reply[2] = last
    return true
  end
  work, last = work + 2, at
  local ok, created, flags, kind, event = pcall(element, el)
  if ok and created >= since and created < till and flags % 2 == 0 and (type == '' or type == kind) then
    found = found + 1
    local fine, state = pcall(delivered, event)
    reply[#reply + 1], reply[#reply + 2] = el, fine and state or ''
  end
end

-- older returns how many events of v are older than a moment. They are in order of time.
local function older(than)
  local low, high = 0, call('LLEN', v)
  while low < high do
    local mid = math.floor((low + high) / 2)
    local el = call('LINDEX', v, mid)
    if #el >= 6 and sunpack('>I6', el) < than then low = mid + 1 else high = mid end
  end
  return low
end

-- of_u looks at events that have left v, as ZRANGEBYSCORE lists them, or ZREVRANGEBYSCORE.
local function of_u(cmd, from, to)
  local old = call(cmd, key('u', M), from, to, 'WITHSCORES', 'LIMIT', 0, 1001)
  for i = 1, #old, 2 do
    if look(tonumber(old[i + 1]), old[i]) then return true end
  end
end

local function forward()
  if last < gone and of_u('ZRANGEBYSCORE', '(' .. text(last), '+inf') then return end
  local from = math.max(last - gone, 0, since > 0 and older(since) or 0)
  for i, el in ipairs(call('LRANGE', v, from, from + 1000)) do
    if sunpack('>I6', el .. NOW6) >= till or look(gone + from + i, el) then return end
  end
end

local function backward()
  local to = math.min(last > 0 and last - gone - 1 or math.huge, till < math.huge and older(till) or call('LLEN', v))
  local from = math.max(to - 1001, 0)
  local list = to > 0 and call('LRANGE', v, from, to - 1) or {}
  for i = #list, 1, -1 do
    if sunpack('>I6', list[i] .. NOW6) < since or look(gone + from + i, list[i]) then return end
  end
  of_u('ZREVRANGEBYSCORE', last > 0 and '(' .. text(last) or '+inf', '-inf')
end

if newest then backward() else forward() end
return reply
