-- Counts what waits. Of webhooks that have something to claim, it looks at a thousand.
--
-- Reply    OK, number of pending deliveries, milliseconds since when there is something to claim

local oldest = first(HELD) or now
for _, n in ipairs(call('ZRANGEBYSCORE', READY, '-inf', now, 'LIMIT', 0, 1000)) do
  local w = call('HMGET', key('w', n), 'st', 'rl')
  oldest = math.min(oldest, due_at(n, w[1] == 'active', w[2], 0) or now)
end
return { 'OK', tonumber(call('HGET', P .. 'c', 'pn') or 0), math.max(now - oldest, 0) }
