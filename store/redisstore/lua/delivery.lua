-- Reads one delivery.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the webhook
-- ARGV[6]  id of the delivery, 12 bytes
-- Reply    OK, time, packed record; NOTFOUND

local n = number_of(arg(), arg())
local packed = n and call('HGET', key('d', n), arg())
if not packed then return fail('NOTFOUND') end
return { 'OK', now, packed }
