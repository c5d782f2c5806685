-- Makes a delivery that waits due now.
--
-- ARGV[5]  merchant, ARGV[6] id of the webhook, ARGV[7] n and ARGV[8] seq of the delivery
-- Reply    OK, 1 if it is pending; NOTFOUND

local t = owned(arg(), arg())
if not t or t.n ~= arg() then return fail('NOTFOUND') end
local seq = num()
local where, s = locate(t, seq)
if not where then return fail('NOTFOUND') end
if where == 'a' and byte(s, 7) ~= 1 then
  local test = is_test(element_in(s, IN_RECORD))
  drain()
  if own(t.n, 'ZADD', key(test and 'y' or 'z', t.n), 'XX', 'LT', 'CH', NOW, text(seq)) == 1 then
    if not test then t[NEXT] = math.min(t[NEXT], now) end
    offer(t, now)
    save_state(t)
  end
end
return finish({ 'OK', where == 'l' and 0 or 1 })
