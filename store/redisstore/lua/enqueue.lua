-- Makes one more delivery of each stored event to one webhook.
--
-- KEYS[2…] the events, one key each
-- ARGV[5]  merchant
-- ARGV[6]  id of the webhook
-- ARGV[7]  how many that were enqueued may be kept of one event
-- ARGV[8]  how many may be pending of the webhook, 0 for any number
-- ARGV[9]  digest of the nonce (8 bytes)
-- ARGV[10] number of events
-- Reply    OK, n, and for each event: seq, 0 if it is not stored, -1 if there are enough, -2 if too
--          many are pending; NOTFOUND

local t = owned(arg(), arg())
if not t then return fail('NOTFOUND') end
local most, bound, nonce, count = num(), num(), arg(), num()
local reply, made = { 'OK', tonumber(t.n) }, 0

local function enqueue(k)
  local el = head_of(k)
  if not el then return 0 end
  local name = t.n .. string.match(k, ':[^:]*$')
  local all = call('HGET', P .. 'j', name) or ''
  for i = 1, #all, 14 do
    if sub(all, i, i + 7) == nonce then return (sunpack('>I6', all, i + 8)) end
  end
  if #all >= 14 * most then return -1 end
  if bound > 0 and pending(t) >= bound then return -2 end
  local flags = byte(el, 7) % 2 + (byte(el, 7) % 8 >= 4 and 4 or 0)
  call('SETRANGE', k, 12, string.char(flags + 8)) -- The first write, which Redis refuses when its memory is full.
  el = NOW6 .. string.char(flags + 2) .. sub(el, 8)
  t[LAST], made = t[LAST] + 1, made + 1
  call('HSET', P .. 'j', name, all .. nonce .. spack('>I6', t[LAST]))
  if is_test(el) then
    enter_test(t, el)
  else
    enter(t, { el })
    paused(t, el)
  end
  return t[LAST]
end

for i = 1, count do
  local ok, seq = pcall(enqueue, KEYS[i + 1])
  if not ok and made == 0 then error(seq) end
  reply[i + 2] = ok and seq or 0
end
if made > 0 then
  offer(t, now)
  save_state(t)
end
return finish(reply)
