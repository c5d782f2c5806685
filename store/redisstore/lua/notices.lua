-- Hides notices until a lease ends, oldest first.
--
-- ARGV[4]  how many at most
-- ARGV[5]  lease in milliseconds
-- Reply    OK, and for each: id, a list of number, merchant and id of the webhook, kind, url, reason,
--          failures, streak that disables, beginning of the streak and time, how often it was claimed

drain()
local limit, lease = num(), num()
local found = {}
for _, notice in ipairs(call('ZRANGEBYSCORE', P .. 'nv', '-inf', now, 'LIMIT', 0, 1000)) do
  local packed = call('HGET', P .. 'no', notice)
  if packed then
    found[#found + 1] = { notice, cmsgpack.unpack(packed) }
  else
    call('ZREM', P .. 'nv', notice)
  end
end
table.sort(found, function(a, b)
  if a[2][10] ~= b[2][10] then return a[2][10] < b[2][10] end
  return a[1] < b[1]
end)
local reply = { 'OK' }
for i = 1, math.min(limit, #found) do
  call('ZADD', P .. 'nv', now + lease, found[i][1])
  reply[#reply + 1] = string.match(found[i][1], ':(.*)')
  reply[#reply + 1] = found[i][2]
  reply[#reply + 1] = call('HINCRBY', P .. 'nt', found[i][1], 1)
end
return reply
