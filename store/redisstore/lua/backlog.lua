-- Counts what waits.
--
-- Reply    OK, number of pending deliveries, milliseconds since when there is something to claim,
--          number of records that were found damaged

drain()
settle_claims()
local oldest = now
for _, n in ipairs(call('ZRANGEBYSCORE', R, '-inf', NOW, 'LIMIT', 0, 64)) do
  pcall(function()
    local t = state_of(n, call('HGET', T, n))
    local open = t[ACTIVE] == 1
    local since = t[WAITING] > 0 and open and t[NEXT] or now
    local el = open and call('LINDEX', key('q', n), 0)
    if el then since = math.min(since, (sunpack('>I6', el))) end
    since = math.max(since, t[HELD])
    if t[TESTS] > 0 then since = math.min(since, first_due(t, 'y') or now) end
    oldest = math.min(oldest, allowed(t, since))
  end)
end
finish() -- It counts those of leases that are over.
return { 'OK', math.max(tonumber(call('HGET', P .. 'c', 'pn') or 0) or 0, 0), now - oldest, call('HLEN', P .. 'bad') }
