-- Lists events of a merchant, oldest first. Tests are not listed.
--
-- ARGV[5]  merchant
-- ARGV[6]  place after which to begin
-- ARGV[7]  since and ARGV[8] until, in milliseconds, empty for any
-- ARGV[9]  how many at most
-- ARGV[10] id of a webhook or empty
-- Reply    OK, place after which to go on or -1 at the end, and for each: its element, p, s or f of the
--          youngest delivery to the webhook or empty

local merchant, after = arg(), num()
local since, till, limit, id = tonumber(arg()) or 0, tonumber(arg()) or math.huge, num(), arg()
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
    reply[2] = after
    return true
  end
  work, after = work + 2, at
  local ok, created, flags, _, event = pcall(element, el)
  if ok and created >= since and created < till and flags % 2 == 0 then
    found = found + 1
    local fine, state = pcall(delivered, event)
    reply[#reply + 1], reply[#reply + 2] = el, fine and state or ''
  end
end

if after < gone then
  local old = call('ZRANGEBYSCORE', key('u', M), '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, 1001)
  for i = 1, #old, 2 do
    if look(tonumber(old[i + 1]), old[i]) then return reply end
  end
end
local from, size = math.max(after, gone) - gone, call('LLEN', v)
if since > 0 then -- Events are in order of time.
  local low, high = from, size
  while low < high do
    local mid = math.floor((low + high) / 2)
    local el = call('LINDEX', v, mid)
    if #el >= 6 and sunpack('>I6', el) < since then low = mid + 1 else high = mid end
  end
  from = low
end
for i, el in ipairs(call('LRANGE', v, from, from + 1000)) do
  if sunpack('>I6', el .. NOW6) >= till then return reply end
  if look(gone + from + i, el) then return reply end
end
return reply
