-- Reads one event.
--
-- KEYS[2]  the event
-- Reply    OK, packed head, body; NOTFOUND

local s = call('GET', KEYS[2])
if not s then return fail('NOTFOUND') end
local _, len = struct.unpack('>I4I4', s)
return { 'OK', string.sub(s, 9, 8 + len), string.sub(s, 9 + len) }
