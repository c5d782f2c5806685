-- Lists webhooks of a merchant, oldest first.
--
-- ARGV[4]  merchant
-- ARGV[5]  place after which to begin, empty for the oldest
-- ARGV[6]  how many to look at
-- ARGV[7]  1 for active ones only
-- Reply    OK, time, place after which to go on or empty at the end, the fields of each webhook

local merchant, after, limit, active = arg(), arg(), num(), arg() == '1'
local M = esc(merchant)
local places = call('ZRANGEBYLEX', key('i', M), after ~= '' and '(' .. after or '-', '+', 'LIMIT', 0, limit + 1)
local reply = { 'OK', now, '' }
for i, place in ipairs(places) do
  if i > limit then
    reply[3] = places[limit]
    break
  end
  local wk = key('w', number_of(merchant, string.sub(place, 16)))
  if not active or call('HGET', wk, 'st') == 'active' then reply[#reply + 1] = call('HGETALL', wk) end
end
return reply
