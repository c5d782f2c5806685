-- Lists events of a merchant, oldest first.
--
-- ARGV[4]  merchant
-- ARGV[5]  sequence after which to begin
-- ARGV[6]  since and ARGV[7] until, in milliseconds, empty for any
-- ARGV[8]  how many at most
-- ARGV[9]  id of a webhook or empty
-- Reply    OK, sequence after which to go on or -1 at the end, and for each: id, packed head,
--          state of the youngest delivery to the webhook or -1

local merchant, after = arg(), num()
local since, till, limit, id = tonumber(arg()) or -math.huge, tonumber(arg()) or math.huge, num(), arg()
local M = esc(merchant)
local n = id ~= '' and number_of(merchant, id)

local function delivered(event, created)
  if not n then return -1 end
  local ids = delivery_id(merchant, event, id, string.format('%.0f', created)) .. (call('HGET', key('y', n), event) or '')
  local state, youngest = -1, 0
  for i = 1, #ids, 12 do
    local r = load(n, string.sub(ids, i, i + 11))
    if r and r[SEQ] > youngest then state, youngest = r[STATE], r[SEQ] end
  end
  return state
end

local reply, found, looks = { 'OK', -1 }, 0, 500
for _, page in ipairs(call('ZRANGEBYSCORE', key('x', M), math.floor((after + 1) / PAGE), '+inf', 'LIMIT', 0, 500)) do
  local pk = key('v', M) .. ':' .. page
  local span = call('HMGET', pk, 'a', 'z')
  if tonumber(span[2]) < since or tonumber(span[1]) >= till then
    after = math.max(after, page * PAGE + PAGE - 1)
  else
    local ids, all = {}, call('HGETALL', pk)
    for i = 1, #all, 2 do
      local offset = tonumber(all[i])
      if offset then ids[offset] = all[i + 1] end
    end
    for i = 0, PAGE - 1 do
      local seq = page * PAGE + i
      if ids[i] and seq > after then
        if found >= limit or looks <= 0 then
          reply[2] = after
          return reply
        end
        looks = looks - 1
        after = seq
        local _, h = head(event_key(merchant, ids[i]))
        if h and h[2] >= since and h[2] < till then
          found = found + 1
          reply[#reply + 1] = ids[i]
          reply[#reply + 1] = cmsgpack.pack(h)
          reply[#reply + 1] = delivered(ids[i], h[2])
        end
      end
    end
  end
end
if #call('ZRANGEBYSCORE', key('x', M), math.floor((after + 1) / PAGE), '+inf', 'LIMIT', 500, 1) > 0 then reply[2] = after end
return reply
