-- Hides a notice for a time, whoever has claimed it.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the notice
-- ARGV[6]  milliseconds from now
-- Reply    OK

drain()
local notice = esc(arg()) .. ':' .. arg()
local delay = num()
if call('HEXISTS', P .. 'no', notice) == 1 then call('ZADD', P .. 'nv', now + delay, notice) end
return { 'OK' }
