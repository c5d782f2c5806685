-- Lists deliveries of a webhook, newest first.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the webhook
-- ARGV[6]  sequence below which to begin, 0 for the newest
-- ARGV[7]  how many at most, at most a thousand
-- ARGV[8]  state or empty, ARGV[9] type or empty, ARGV[10] since and ARGV[11] until or empty
-- Reply    OK, time, sequence below which to go on or 0 at the end, and for each: id (12 bytes),
--          packed record; NOTFOUND

local merchant, id, below, limit = arg(), arg(), num(), num()
local state, type, since, till = tonumber(arg()), arg(), tonumber(arg()), tonumber(arg())
local n = number_of(merchant, id)
if not n then return fail('NOTFOUND') end
if below == 0 then below = math.huge end

local function matches(r)
  return (not state or r[STATE] == state) and (type == '' or r[TYPE] == type) and
    (not since or r[CREATED] >= since) and (not till or r[CREATED] < till)
end

local reply, shown, looks, pages = { 'OK', now, 0 }, 0, 1000, 0
local top = below == math.huge and '+inf' or math.floor((below - 1) / PAGE)
for _, page in ipairs(call('ZREVRANGEBYSCORE', key('p', n), top, '-inf', 'LIMIT', 0, looks)) do
  if looks <= 0 then
    reply[3] = below
    return reply
  end
  pages = pages + 1
  local ids, order, all = {}, {}, call('HGETALL', key('g', n) .. ':' .. page)
  for i = 1, #all, 2 do ids[page * PAGE + all[i]] = all[i + 1] end
  for seq = page * PAGE + PAGE - 1, page * PAGE, -1 do
    if ids[seq] and seq < below then order[#order + 1] = ids[seq] end
  end
  looks = looks - #order
  for i, packed in ipairs(#order > 0 and call('HMGET', key('d', n), unpack(order)) or {}) do
    local r = packed and cmsgpack.unpack(packed)
    if r and matches(r) then
      if shown == limit then
        reply[3] = below
        return reply
      end
      shown = shown + 1
      reply[#reply + 1], reply[#reply + 2] = order[i], packed
      below = r[SEQ]
    end
  end
  if shown < limit then below = page * PAGE end
end
if pages == 1000 then reply[3] = below end -- There may be more pages.
return reply
