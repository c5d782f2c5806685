-- Hides a notice for a time, if nobody has claimed it since.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the notice
-- ARGV[6]  how often it was claimed
-- ARGV[7]  milliseconds from now
-- Reply    OK

drain()
local notice = esc(arg()) .. ':' .. arg()
local token, delay = num(), num()
if call('HEXISTS', P .. 'no', notice) == 1 and tonumber(call('HGET', P .. 'nt', notice) or 0) == token then
  call('ZADD', P .. 'nv', now + delay, notice)
end
return { 'OK' }
