-- Counts what waits.
--
-- Reply    OK, number of pending deliveries, milliseconds since when there is something to claim

local at = soonest()
return { 'OK', tonumber(call('HGET', P .. 'c', 'pn') or 0), at and math.max(now - at, 0) or 0 }
