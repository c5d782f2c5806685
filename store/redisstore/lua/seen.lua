-- A receiver's memory of one id.
--
-- KEYS[2]  the id
-- ARGV[5]  begin, commit or forget
-- ARGV[6]  holder
-- ARGV[7]  fingerprint or, for commit, value
-- ARGV[8]  milliseconds of lease or ttl
-- ARGV[9]  for begin: milliseconds for which it is kept without a commit
-- Reply    OK, and for begin: new, in_progress, done or conflict, value, first holder,
--          milliseconds that are left; STALE
--
-- The value of the key is packed {holder, fingerprint, until, done, value, first, kept}.

local what, holder, text, span, kept = arg(), arg(), arg(), num(), num()
local k = KEYS[2]
if what ~= 'begin' then drain() end
local packed = call('GET', k)
local s = packed and cmsgpack.unpack(packed)
if s and s[3] <= now and s[7] <= now then s = nil end

local function keep()
  call('SET', k, cmsgpack.pack(s))
  if ARGV[2] == '0' then call('PEXPIRE', k, math.max(s[3], s[7]) - now) end
end

if what == 'begin' then
  if not s then
    s = { holder, text, 0, 0, '', holder, 0 }
  elseif text ~= '' and s[2] ~= '' and text ~= s[2] then
    return { 'OK', 'conflict', '', '', 0 }
  elseif s[4] == 1 then
    return { 'OK', 'done', s[5], '', 0 }
  elseif s[1] ~= holder and s[3] > now then
    return { 'OK', 'in_progress', '', '', s[3] - now }
  end
  s[1], s[3], s[7] = holder, now + span, math.max(s[7], now + kept)
  keep()
  return { 'OK', 'new', '', s[6], 0 }
end
local mine = s and s[1] == holder and s[3] > now
if what == 'commit' then
  if not mine then return fail('STALE') end
  if s[4] == 0 then
    s[3], s[4], s[5], s[7] = now + span, 1, text, 0
    keep()
  end
elseif mine and s[4] == 0 then
  call('DEL', k)
end
return { 'OK' }
