-- Makes a webhook invisible with all that belongs to it. What is left of it goes away in
-- steps: see collect.lua.
--
-- ARGV[5]  merchant
-- ARGV[6]  id of the webhook
-- ARGV[7]  nonce of this call, by which a call that is sent again is known
-- ARGV[8]  the version that it must have, 0 for any
-- Reply    OK; NOTFOUND; VERSION

drain()
local merchant, id, nonce, version = arg(), arg(), arg(), num()
local n, M = number_of(merchant, id), esc(merchant)
if not n then
  for _, known in ipairs(call('HVALS', P .. 'gc')) do
    if known == nonce then return { 'OK' } end
  end
  return fail('NOTFOUND')
end
local x = call('HMGET', key('x', n), 'ver', 'ev', 'cr')
if version ~= 0 and tonumber(x[1]) ~= version then return fail('VERSION', x[1]) end

call('HSET', P .. 'gc', n, nonce)
local ok, t = pcall(state_of, n, call('HGET', T, n))
if ok and t then difference = -pending(t) end
pcall(subscribe, merchant, id, n, x[2] or '', false)
call('HDEL', key('m', M), id)
call('ZREM', key('i', M), fmt('%015.0f', tonumber(x[3] or 0)) .. id)
if call('EXISTS', key('m', M)) == 0 then call('ZREM', P .. 'ms', merchant) end
for _, set in ipairs({ 'r', 'f', 'off' }) do call('ZREM', P .. set, n) end
own(nil, 'ZREM', P .. 'tr', n)
call('HDEL', T, n)
call('HDEL', P .. 'w', n)
call('UNLINK', key('x', n), key('ch', n))
return finish({ 'OK' })
