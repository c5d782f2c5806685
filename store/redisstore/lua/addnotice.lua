-- Adds a notice for a webhook and changes its mark.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the webhook
-- ARGV[6]  id of the notice, by which a call that is sent again is known
-- ARGV[7]  mark before
-- ARGV[8]  mark after
-- ARGV[9]  kind, ARGV[10] url, ARGV[11] reason
-- ARGV[12] failures, ARGV[13] streak that disables, ARGV[14] when the streak began
-- Reply    OK, 1 if it was added, 0 if the mark is another one; NOTFOUND

drain()
local merchant, webhook, id, before, after = arg(), arg(), arg(), arg(), arg()
local n = number_of(merchant, webhook)
if not n then return fail('NOTFOUND') end
if call('HEXISTS', P .. 'no', esc(merchant) .. ':' .. id) == 1 then return { 'OK', 1 } end
if (call('HGET', key('w', n), 'mk') or '') ~= before then return { 'OK', 0 } end
if after ~= '' then call('HSET', key('w', n), 'mk', after) else call('HDEL', key('w', n), 'mk') end
notify(n, merchant, webhook, id, arg(), arg(), arg(), num(), num(), num())
wake()
return { 'OK', 1 }
