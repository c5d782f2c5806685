-- Lists the last changes of a webhook, oldest first.
--
-- ARGV[5]  merchant, ARGV[6] id of the webhook
-- Reply    OK, the changes: see CHANGE; NOTFOUND

local n = number_of(arg(), arg())
if not n then return fail('NOTFOUND') end
return { 'OK', unpack(call('LRANGE', key('ch', n), 0, -1)) }
