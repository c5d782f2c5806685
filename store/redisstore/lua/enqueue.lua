-- Makes one more delivery of each stored event to one webhook.
--
-- KEYS[2…] the events, one key each
-- ARGV[4]  merchant
-- ARGV[5]  id of the webhook
-- ARGV[6]  nonce
-- ARGV[7]  how many kept deliveries of one event it may have made
-- ARGV[8]  number of events, followed by the id of each
-- Reply    OK, and for each event the id of the delivery (12 bytes), or 0 if it is not stored, or 1
--          if there are too many; NOTFOUND without the webhook

local merchant, id, nonce, most, count = arg(), arg(), arg(), num(), num()
local n = number_of(merchant, id)
if not n then return fail('NOTFOUND', id) end
local w = call('HMGET', key('w', n), 'seq', 'st', 'rl')
local seq, active, made = tonumber(w[1] or 0), w[2] == 'active', false

-- Of the id, 8 bytes stand for the nonce, and 4 make it unique.
local function enqueue(event, k)
  local _, h = head(k)
  if not h then return 0 end
  local mark = string.sub(delivery_id(merchant, event, n, nonce), 1, 8)
  local before = call('HGET', key('y', n), event) or ''
  for i = 1, #before, 12 do
    if string.sub(before, i, i + 7) == mark then return string.sub(before, i, i + 11) end
  end
  if #before >= 12 * most then return 1 end
  made, seq = true, seq + 1
  local delivery = mark .. struct.pack('>I4', seq % 2 ^ 32)
  local r = { seq, event, h[4], h[1] % 2 + ENQUEUED, now, PENDING, 0, 0, 0, 0, 0, '', {} }
  save(n, delivery, r)
  local page = math.floor(seq / PAGE)
  call('HSET', key('g', n) .. ':' .. page, seq % PAGE, delivery)
  call('ZADD', key('p', n), page, page)
  call('ZADD', waiting_in(n, r), now, delivery)
  call('HSET', key('y', n), event, before .. delivery)
  expect(member(merchant, event), 1)
  if not active then paused(n, r) end
  return delivery
end

local reply = { 'OK' }
for i = 1, count do reply[i + 1] = enqueue(arg(), KEYS[i + 1]) end
if made then
  call('HSET', key('w', n), 'seq', seq)
  offer(n, active, w[3])
  tally()
  wake()
end
return reply
