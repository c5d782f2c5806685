-- Lists merchants that have webhooks.
--
-- ARGV[5]  where to begin, as ZRANGEBYLEX has it
-- ARGV[6]  how many at most
-- Reply    OK, the merchants

local after, limit = arg(), num()
return { 'OK', unpack(call('ZRANGEBYLEX', P .. 'ms', after, '+', 'LIMIT', 0, limit)) }
