-- Reads one delivery.
--
-- ARGV[5]  merchant, ARGV[6] id of the webhook, ARGV[7] n and ARGV[8] seq of the delivery
-- Reply    OK, time, what is stored of it after the letter of its place, and when it is due (6) if
--          that is a; NOTFOUND

local t = owned(arg(), arg())
if not t or t.n ~= arg() then return fail('NOTFOUND') end
local seq = num()
local where, s = locate(t, seq)
if not where then return fail('NOTFOUND') end
return { 'OK', now, shown(t, seq, where, s) }
