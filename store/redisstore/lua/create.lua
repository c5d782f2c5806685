-- Stores a new webhook.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the webhook
-- ARGV[6]  nonce of this call, by which a call that is sent again is known
-- ARGV[7]  how many webhooks the merchant may have, 0 for any number
-- ARGV[8]  status
-- ARGV[9]  packed list of event types
-- ARGV[10] number of pairs, followed by names and values of other fields
-- Reply    OK, time, the fields of the webhook; CONFLICT; LIMIT

local merchant, id, nonce, limit, status, packed, more = arg(), arg(), arg(), num(), arg(), arg(), num()
local M = esc(merchant)
local known = number_of(merchant, id)
if known then
  if call('HGET', key('w', known), 'cn') ~= nonce then return fail('CONFLICT') end
  return { 'OK', now, call('HGETALL', key('w', known)) }
end
if limit > 0 and call('HLEN', key('m', M)) >= limit then return fail('LIMIT') end

local n = tostring(call('HINCRBY', P .. 'c', 'n', 1))
local fields = { 'm', merchant, 'id', id, 'cn', nonce, 'st', status, 'ev', packed, 'ver', 1, 'ep', 1, 'cr', now, 'up', now }
for _ = 1, more * 2 do fields[#fields + 1] = arg() end
call('HSET', key('w', n), unpack(fields))
call('HSET', key('m', M), id, n)
call('ZADD', key('i', M), 0, string.format('%015.0f', now) .. id)
call('ZADD', P .. 'ms', 0, merchant)
if status == 'active' then
  subscribe(M, id, n, cmsgpack.unpack(packed), true)
else
  call('ZADD', P .. 'off', '-inf', n)
end
return { 'OK', now, call('HGETALL', key('w', n)) }
