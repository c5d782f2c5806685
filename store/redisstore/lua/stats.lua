-- Reads the counters of a webhook.
--
-- ARGV[5]  merchant, ARGV[6] id of the webhook
-- Reply    OK, succeeded, failed, pending, attempts; NOTFOUND

local t = owned(arg(), arg())
if not t then return fail('NOTFOUND') end
return { 'OK', t[OK], t[FAILED], pending(t), t[TRIES] }
