-- Reads webhooks of a merchant, oldest first.
--
-- ARGV[5]  merchant
-- ARGV[6]  id of the one webhook, or empty for a page of them
-- ARGV[7]  place after which to begin, empty for the oldest
-- ARGV[8]  how many to look at
-- ARGV[9]  1 for active ones only
-- Reply    OK, time, place after which to go on or empty at the end, and for each what w, t and x
--          hold; of one that cannot be read an empty text, its id and nothing; NOTFOUND for one
--          that is not there

local merchant, id, after, limit, active = arg(), arg(), arg(), num(), arg() == '1'
local reply = { 'OK', now, '' }
local function add(n)
  local blob, state = call('HGET', P .. 'w', n), call('HGET', T, n)
  if not blob or not state or active and state_of(n, state)[ACTIVE] == 0 then return end
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = blob, state, call('HGETALL', key('x', n))
end
if id ~= '' then
  local n = number_of(merchant, id)
  if not n then return fail('NOTFOUND') end
  add(n)
  if not reply[4] then reply[4], reply[5], reply[6] = '', id, {} end
  return reply
end

-- whole says if all is there that a webhook needs to be shown.
local function whole(n, id)
  return n and call('HEXISTS', P .. 'w', n) + call('HEXISTS', T, n) == 2 and call('HGET', key('x', n), 'id') == id
end
local places = call('ZRANGEBYLEX', key('i', esc(merchant)), after ~= '' and '(' .. after or '-', '+', 'LIMIT', 0, limit + 1)
for i, at in ipairs(places) do
  if i > limit then
    reply[3] = places[limit]
    break
  end
  local id = sub(at, 16)
  local n = number_of(merchant, id)
  local ok, is = pcall(whole, n, id)
  if not (ok and is and pcall(add, n)) then
    reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = '', id, {}
  end
end
return reply
