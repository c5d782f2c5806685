-- A receiver's memory of one id.
--
-- KEYS[2]  the id
-- ARGV[5]  begin, commit or forget
-- ARGV[6]  holder
-- ARGV[7]  fingerprint or, for commit, value
-- ARGV[8]  milliseconds of lease or ttl
-- Reply    OK, and for begin: new, in_progress, done or conflict, value; STALE
--
-- The value of the key is packed {holder, fingerprint, until, done, value}.

local what, holder, text, span = arg(), arg(), arg(), num()
local k = KEYS[2]
if what ~= 'begin' then drain() end
local packed = call('GET', k)
local s = packed and cmsgpack.unpack(packed)
if s and s[3] <= now then s = nil end

local function keep()
  call('SET', k, cmsgpack.pack(s))
  if ARGV[2] == '0' then call('PEXPIRE', k, span) end
end

if what == 'begin' then
  if not s then
    s = { holder, text, now + span, 0, '' }
  elseif text ~= '' and s[2] ~= '' and text ~= s[2] then
    return { 'OK', 'conflict', '' }
  elseif s[4] == 1 then
    return { 'OK', 'done', s[5] }
  elseif s[1] ~= holder then
    return { 'OK', 'in_progress', '' }
  end
  s[3] = now + span
  keep()
  return { 'OK', 'new', '' }
end
local mine = s and s[1] == holder
if what == 'commit' then
  if not mine then return fail('STALE') end
  if s[4] == 0 then
    s[3], s[4], s[5] = now + span, 1, text
    keep()
  end
elseif mine and s[4] == 0 then
  call('DEL', k)
end
return { 'OK' }
