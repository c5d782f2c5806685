-- Goes through deliveries of a webhook, newest first, as far as one call may.
--
-- ARGV[4]  merchant
-- ARGV[5]  id of the webhook
-- ARGV[6]  sequence below which to begin, 0 for the newest
-- ARGV[7]  sequence below which to show, 0 for the newest
-- ARGV[8]  how many that match to leave out
-- ARGV[9]  how many to show
-- ARGV[10] 1 to count those that match, else it ends when it has shown enough
-- ARGV[11] state or empty, ARGV[12] type or empty, ARGV[13] since and ARGV[14] until or empty
-- Reply    OK, time, all, succeeded, failed, attempts, sequence below which to go on or 0 at the
--          end, how many matched, how many were left out, and for each shown: id (12 bytes),
--          packed record; NOTFOUND

local merchant, id, from, below, skip, show, count = arg(), arg(), num(), num(), num(), num(), arg() == '1'
local state, type, since, till = tonumber(arg()), arg(), tonumber(arg()), tonumber(arg())
local n = number_of(merchant, id)
if not n then return fail('NOTFOUND') end
local f = call('HMGET', key('w', n), 'ok', 'at')
local ok, ended = tonumber(f[1] or 0), call('ZCARD', key('f', n))
local matched, left_out = 0, 0
local reply = { 'OK', now, call('HLEN', key('d', n)), ok, ended - ok, tonumber(f[2] or 0), 0, 0, 0 }
local any = not state and type == '' and not since and not till

local function done(go_on)
  reply[7], reply[8], reply[9] = go_on, matched, left_out
  return reply
end
if not count and show == 0 then return done(0) end

if from == 0 then from = math.huge end
if below == 0 then below = math.huge end
local looks = 1000
local top = from == math.huge and '+inf' or math.floor((from - 1) / PAGE)
for _, page in ipairs(call('ZREVRANGEBYSCORE', key('p', n), top, '-inf', 'LIMIT', 0, 1000)) do
  page = tonumber(page)
  local pk = key('g', n) .. ':' .. page
  local size = call('HLEN', pk)
  if any and from == math.huge and below == math.huge and skip - left_out >= size then
    left_out, matched = left_out + size, matched + size
  else
    local ids, at, all = {}, {}, call('HGETALL', pk)
    for i = 1, #all, 2 do ids[tonumber(all[i])] = all[i + 1] end
    local order = {}
    for i = PAGE - 1, 0, -1 do
      if ids[i] and page * PAGE + i < from then order[#order + 1], at[#at + 1] = ids[i], page * PAGE + i end
    end
    looks = looks - #order
    local records = #order > 0 and call('HMGET', key('d', n), unpack(order)) or {}
    for i, packed in ipairs(records) do
      local r = packed and not any and cmsgpack.unpack(packed)
      if packed and (any or (not state or r[STATE] == state) and (type == '' or r[TYPE] == type) and
          (not since or r[CREATED] >= since) and (not till or r[CREATED] < till)) then
        matched = matched + 1
        if at[i] < below then
          if left_out < skip then
            left_out = left_out + 1
          elseif show > 0 then
            show = show - 1
            reply[#reply + 1] = order[i]
            reply[#reply + 1] = packed
            if show == 0 and not count then return done(0) end
          end
        end
      end
    end
    from = page * PAGE
    if looks <= 0 then return done(page * PAGE) end
  end
end
return done(0)
