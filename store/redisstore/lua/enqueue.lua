-- Makes one more delivery of each stored event to one webhook.
--
-- KEYS[2…] the events, one key each
-- ARGV[4]  merchant
-- ARGV[5]  id of the webhook
-- ARGV[6]  1 if the ids have a nonce
-- ARGV[7]  number of events, followed by two arguments for each: id, id of the delivery in 12 bytes
-- Reply    OK, and for each event 1 if it is stored, else 0; NOTFOUND without the webhook

local merchant, id, nonce, count = arg(), arg(), arg(), num()
local n = number_of(merchant, id)
if not n then return fail('NOTFOUND', id) end
local w = call('HMGET', key('w', n), 'seq', 'st', 'rl')
local seq, active, made = tonumber(w[1] or 0), w[2] == 'active', false
local reply = { 'OK' }
for i = 1, count do
  local event, delivery = arg(), arg()
  local _, h = head(KEYS[i + 1])
  reply[i + 1] = h and 1 or 0
  if h and call('HEXISTS', key('d', n), delivery) == 0 then
    made, seq = true, seq + 1
    local r = { seq, event, h[4], h[1] % 2 + (nonce == '1' and ENQUEUED or 0), now, PENDING, 0, 0, 0, 0, 0, '', {} }
    save(n, delivery, r)
    local page = math.floor(seq / PAGE)
    call('HSET', key('g', n) .. ':' .. page, seq % PAGE, delivery)
    call('ZADD', key('p', n), page, page)
    call('ZADD', waiting_in(n, r), now, delivery)
    if nonce == '1' then call('HSET', key('y', n), event, (call('HGET', key('y', n), event) or '') .. delivery) end
    expect(member(merchant, event), 1)
    if not active then paused(n, r) end
  end
end
if made then
  call('HSET', key('w', n), 'seq', seq)
  offer(n, active, w[3])
  tally()
  wake()
end
return reply
