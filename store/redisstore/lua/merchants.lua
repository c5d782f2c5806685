-- Lists merchants that have webhooks.
--
-- ARGV[4]  merchant after which to begin
-- ARGV[5]  how many at most
-- Reply    OK, the merchants

local after, limit = arg(), num()
return { 'OK', unpack(call('ZRANGEBYLEX', P .. 'ms', after, '+', 'LIMIT', 0, limit)) }
