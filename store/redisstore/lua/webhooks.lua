-- Reads webhooks of a merchant.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the one webhook, or empty for all
-- Reply    OK, time, the fields of each webhook; NOTFOUND for one that is not there

local merchant, id = arg(), arg()
local reply = { 'OK', now }
if id ~= '' then
  local n = number_of(merchant, id)
  if not n then return fail('NOTFOUND') end
  reply[3] = call('HGETALL', key('w', n))
  return reply
end
for _, n in ipairs(call('HVALS', key('m', esc(merchant)))) do
  reply[#reply + 1] = call('HGETALL', key('w', n))
end
return reply
