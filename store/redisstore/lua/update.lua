-- Changes a webhook.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the webhook
-- ARGV[6]  nonce of this call, by which a call that is sent again is known
-- ARGV[7]  the version that it must have, 0 for any
-- ARGV[8]  status or empty
-- ARGV[9]  reason, if status disables it
-- ARGV[10] packed list of event types or empty
-- ARGV[11] 1 if the next six are a reseal
-- ARGV[12] secret, ARGV[13] previous secret and ARGV[14] headers before
-- ARGV[15] secret, ARGV[16] previous secret and ARGV[17] headers
-- ARGV[18] 1 if the next two are a rotation
-- ARGV[19] secret
-- ARGV[20] milliseconds to keep the one before
-- ARGV[21] rate limit, 0 for none, or empty
-- ARGV[22] number of pairs, followed by names and values of other fields
-- Reply    OK, time, the fields of the webhook; NOTFOUND; VERSION

local merchant, id, nonce, version, status, reason, packed = arg(), arg(), arg(), num(), arg(), arg(), arg()
local reseal, old_secret, old_previous, old_headers = arg(), arg(), arg(), arg()
local new_secret, new_previous, new_headers = arg(), arg(), arg()
local rotate, secret, keep, rate, more = arg(), arg(), num(), num(), num()

local n = number_of(merchant, id)
if not n then return fail('NOTFOUND') end
local wk, M = key('w', n), esc(merchant)
local w = call('HMGET', wk, 'ver', 'un', 'sec', 'psec', 'pu', 'st', 'ev', 'hd', 'rl')
if w[2] == nonce then return { 'OK', now, call('HGETALL', wk) } end
if version ~= 0 and tonumber(w[1]) ~= version then return fail('VERSION', w[1]) end
local current, previous, till = w[3] or '', w[4] or '', tonumber(w[5] or 0)
if till <= now then previous, till = '', 0 end
if reseal == '1' and (current ~= old_secret or previous ~= old_previous or (w[8] or '') ~= old_headers) then
  return fail('VERSION', w[1])
end

call('HSET', wk, 'ver', tonumber(w[1]) + 1, 'un', nonce, 'up', now)
if reseal == '1' then current, previous = new_secret, new_previous end
if rotate == '1' then current, previous, till = secret, current, now + keep end
if till <= now then previous, till = '', 0 end
call('HSET', wk, 'sec', current, 'psec', previous, 'pu', till)
-- put sets a field, or removes it if it is empty.
local function put(name, value)
  if value ~= '' then call('HSET', wk, name, value) else call('HDEL', wk, name) end
end
if reseal == '1' then put('hd', new_headers) end
for _ = 1, more do
  local name = arg()
  put(name, arg())
end

local rl = w[9]
local another = rate and rate ~= (rl and bucket(rl) or 0)
if another then
  rl = rate > 0 and string.format('%.0f', rate)
  put('rl', rl or '')
end

local types, before = packed ~= '' and packed or w[7], w[6]
if status == '' then status = before end
if status ~= before or types ~= w[7] then
  if before == 'active' then subscribe(M, id, n, cmsgpack.unpack(w[7]), false) end
  if status == 'active' then subscribe(M, id, n, cmsgpack.unpack(types), true) end
  call('HSET', wk, 'ev', types)
end
if status ~= before then
  call('HSET', wk, 'st', status)
  if status == 'active' then
    call('HSET', wk, 'dr', '', 'da', 0, 'cf', 0, 'on', now)
    call('HINCRBY', wk, 'ep', 1)
    call('ZREM', P .. 'off', n)
  else
    call('HSET', wk, 'dr', reason, 'da', now, 'wk', 0)
    call('ZADD', P .. 'off', '-inf', n)
  end
end
if another or status ~= before then
  offer(n, status == 'active', rl)
  wake()
end
return { 'OK', now, call('HGETALL', wk) }
