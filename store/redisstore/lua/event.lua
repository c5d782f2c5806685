-- Reads one event.
--
-- KEYS[2]  the event
-- Reply    OK, what is stored of it; NOTFOUND

local s = call('GET', KEYS[2])
if not s then return fail('NOTFOUND') end
return { 'OK', s }
