-- Makes a webhook invisible with all that belongs to it. What is left of it goes
-- away in steps: see collect.lua.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the webhook
-- ARGV[6]  nonce of this call, by which a call that is sent again is known
-- ARGV[7]  the version that it must have, 0 for any
-- Reply    OK; NOTFOUND; VERSION

drain()
local merchant, id, nonce, version = arg(), arg(), arg(), num()
local n = number_of(merchant, id)
if not n then
  for _, packed in ipairs(call('HVALS', P .. 'gc')) do
    if cmsgpack.unpack(packed)[2] == nonce then return { 'OK' } end
  end
  return fail('NOTFOUND')
end
local wk, M = key('w', n), esc(merchant)
local w = call('HMGET', wk, 'ver', 'st', 'ev', 'cr')
if version ~= 0 and tonumber(w[1]) ~= version then return fail('VERSION', w[1]) end

call('HSET', P .. 'gc', n, cmsgpack.pack({ merchant, nonce }))
if w[2] == 'active' then subscribe(M, id, n, cmsgpack.unpack(w[3]), false) end
call('HDEL', key('m', M), id)
call('ZREM', key('i', M), string.format('%015.0f', w[4]) .. id)
if call('EXISTS', key('m', M)) == 0 then call('ZREM', P .. 'ms', merchant) end
for _, set in ipairs({ 'ready', 'held', 'old', 'full', 'off' }) do call('ZREM', P .. set, n) end
for _, notice in ipairs(call('ZRANGE', key('nw', n), 0, -1)) do forget_notice(notice) end
call('DEL', wk)
return { 'OK' }
