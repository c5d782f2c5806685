-- Counts the deliveries of a webhook.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the webhook
-- Reply    OK, all, succeeded, failed, attempts; NOTFOUND

local n = number_of(arg(), arg())
if not n then return fail('NOTFOUND') end
local f = call('HMGET', key('w', n), 'ok', 'at')
local ok = tonumber(f[1] or 0)
return { 'OK', call('HLEN', key('d', n)), ok, call('ZCARD', key('f', n)) - ok, tonumber(f[2] or 0) }
