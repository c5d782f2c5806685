-- Reads webhooks of a merchant, oldest first.
--
-- ARGV[5]  merchant
-- ARGV[6]  id of the one webhook, or empty for a page of them
-- ARGV[7]  place after which to begin, empty for the oldest
-- ARGV[8]  how many to look at
-- ARGV[9]  1 for active ones only
-- Reply    OK, time, place after which to go on or empty at the end, and for each what w, t and x
--          hold; NOTFOUND for one that is not there

local merchant, id, after, limit, active = arg(), arg(), arg(), num(), arg() == '1'
local reply = { 'OK', now, '' }
local function add(n)
  if not n then return end
  local blob, state = call('HGET', P .. 'w', n), call('HGET', T, n)
  if not blob or not state or active and state_of(n, state)[ACTIVE] == 0 then return end
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = blob, state, call('HGETALL', key('x', n))
end
if id ~= '' then
  add(number_of(merchant, id))
  return reply[4] and reply or fail('NOTFOUND')
end
local places = call('ZRANGEBYLEX', key('i', esc(merchant)), after ~= '' and '(' .. after or '-', '+', 'LIMIT', 0, limit + 1)
for i, at in ipairs(places) do
  if i > limit then
    reply[3] = places[limit]
    break
  end
  pcall(add, number_of(merchant, sub(at, 16))) -- One that is damaged is not shown.
end
return reply
