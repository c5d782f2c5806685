-- Removes a notice.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the notice
-- Reply    OK

drain()
forget_notice(esc(arg()) .. ':' .. arg())
return { 'OK' }
