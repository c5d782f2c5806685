-- Removes a notice.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the notice
-- Reply    OK

drain()
local notice = esc(arg()) .. ':' .. arg()
call('HDEL', P .. 'no', notice)
call('ZREM', P .. 'nv', notice)
call('ZREM', P .. 'na', notice)
return { 'OK' }
