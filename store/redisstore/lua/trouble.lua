-- Lists webhooks in trouble.
--
-- ARGV[5]  n after which to begin
-- ARGV[6]  how many at most
-- Reply    as of webhook.lua, with the last n as the place after which to go on

local after, limit = arg(), num()
local reply = { 'OK', now, '' }
local found, gone
repeat -- What is no number of a webhook is no place to go on after, and goes.
  found, gone = call('ZRANGEBYSCORE', P .. 'tr', '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, limit + 1), 0
  for i = 1, #found, 2 do
    if found[i] ~= string.match(found[i + 1], '^[1-9]%d*$') then gone = gone + call('ZREM', P .. 'tr', found[i]) end
  end
until gone == 0
for i = 1, #found, 2 do
  if i > 2 * limit then
    reply[3] = found[i - 1]
    break
  end
  local n = found[i]
  local id, blob, state, x = id_of(n), call('HGET', P .. 'w', n), call('HGET', T, n), redis.pcall('HGETALL', key('x', n))
  if not blob or not state or x.err or #x == 0 then blob, state, x = '', id, {} end
  if id then reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = blob, state, x end
end
return reply
