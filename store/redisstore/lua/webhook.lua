-- Reads one webhook.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the webhook
-- Reply    OK, time, the fields of the webhook; NOTFOUND

local n = number_of(arg(), arg())
if not n then return fail('NOTFOUND') end
return { 'OK', now, call('HGETALL', key('w', n)) }
