-- Stores events and a pending delivery for each subscriber. All events that it answers for
-- are stored, or none is: everything is read before the first write, which is an event's,
-- and which Redis refuses when its memory is full.
--
-- KEYS[2…] the events, one key each
-- ARGV[5]  after how many deliveries to stop
-- ARGV[6]  number of events, followed by six arguments for each: merchant, the patterns of the type, each
--          after its length, what follows the creation in an element, how many may be pending of a webhook (4 bytes, 0: any number),
--          fingerprint (16) and trace, id of the webhook to test or empty, body
-- Reply    OK, the lists of subscribers, each n and id by turns, and for each event until it stopped:
--          0 new, 1 duplicate or 2 conflict, n and seq of the deliveries ('>I4I6'; seq 0 of who
--          misses the event, since too many are pending), and the number of their list; NOTFOUND if a webhook to test is not there

local budget, count = num(), num()
local lists, list_at = {}, {}

-- fan_out returns the number of a list of who subscribes by one of some patterns, each once.
local function fan_out(M, patterns)
  local name = M .. '|' .. patterns
  if list_at[name] then return list_at[name] end
  local fields, out, seen = list_of(patterns), {}, {}
  for i, pattern in ipairs(fields) do fields[i] = M .. '|' .. pattern end
  for _, packed in ipairs(call('HMGET', P .. 's', unpack(fields))) do
    local list = subscribers(packed)
    for i = 1, #list, 2 do
      if not seen[list[i]] then out[#out + 1], out[#out + 2] = list[i], list[i + 1] end
      seen[list[i]] = true
    end
  end
  lists[#lists + 1] = out
  list_at[name] = #lists
  return #lists
end

-- What is asked, with its list. Webhooks are read once.
local asked, wanted, known = {}, {}, {}
for i = 1, count do
  local merchant, patterns, tail, mark, test, body = arg(), arg(), arg(), arg(), arg(), arg()
  local M = string.match(KEYS[i + 1], '^([^:]*):', #P + 3)
  local q = { k = KEYS[i + 1], M = M, el = NOW6 .. tail, print = sub(mark, 5), body = body, test = test ~= '' }
  q.most = q.test and 0 or sunpack('>I4', mark)
  if q.test then
    local n = number_of(merchant, test)
    if not n and call('EXISTS', q.k) == 0 then return fail('NOTFOUND', test) end
    lists[#lists + 1] = n and { n, test } or {}
    q.list = #lists
  else
    q.list = fan_out(M, patterns)
  end
  asked[i] = q
  local list = lists[q.list]
  for j = 1, #list, 2 do
    if not known[list[j]] then
      known[list[j]] = true
      wanted[#wanted + 1] = list[j]
    end
  end
end
local states, damaged = {}, {}
for i = 1, #wanted, 1000 do
  for j, s in ipairs(call('HMGET', T, unpack(wanted, i, math.min(i + 999, #wanted)))) do
    local n = wanted[i + j - 1]
    local ok, t = pcall(state_of, n, s)
    states[n] = ok and t or nil
    if ok and t then t.open = t.had end
    if not ok or not t then damaged[#damaged + 1] = n end
  end
end

local reply, made = { 'OK', lists }, 0 -- made counts deliveries, and those of before that it answers
local order, logs, fresh = {}, {}, {}

-- before answers for an event that was published before.
local function before(q, print, ids)
  if print ~= sub(q.print, 1, 16) then return 2, '', 0 end
  local names, out, kept = {}, {}, {}
  for at = 1, #ids, 10 do names[#names + 1] = text((sunpack('>I4', ids, at))) end
  local blobs = #names > 0 and call('HMGET', P .. 'w', unpack(names)) or {}
  for i, blob in ipairs(blobs) do
    if blob then
      out[#out + 1], out[#out + 2] = names[i], id_in(blob)
      kept[#kept + 1] = sub(ids, 10 * i - 9, 10 * i)
    end
  end
  lists[#lists + 1] = out
  made = made + #names
  return 1, table.concat(kept), #lists
end

local function publish(q)
  local list, ids, seqs, missed = lists[q.list], {}, {}, ''
  for j = 1, #list, 2 do
    local t = states[list[j]]
    if t and q.most > 0 and t.open >= q.most then
      missed = missed .. spack('>I4I6', t.n, 0)
    elseif t then
      seqs[#seqs + 1] = t
      ids[#ids + 1] = spack('>I4I6', t.n, t[LAST] + 1)
    end
  end
  local packed = table.concat(ids)
  local head = spack('>I2I2I2', #q.el, #q.print - 16, #seqs) .. q.el .. q.print .. packed
  local stored = redis.pcall('SET', q.k, head .. q.body, 'NX')
  if not stored or type(stored) == 'table' and stored.err then
    local el, print, given = head_of(q.k)
    if not el then return stored end -- No memory is left, and nothing was written.
    return before(q, print, given)
  end
  for _, t in ipairs(seqs) do
    if not t.touched then
      t.touched, t.empty, t.list = true, t[LAST] == t[HEAD], {}
      order[#order + 1] = t
    end
    t[LAST], t.open = t[LAST] + 1, t.open + 1
    if q.test then
      if #t.list > 0 then enter(t, t.list) end
      t.list = {}
      enter_test(t, q.el)
    else
      t.list[#t.list + 1] = q.el
    end
  end
  made = made + #seqs
  logs[q.M] = logs[q.M] or {}
  table.insert(logs[q.M], q.el)
  return 0, packed .. missed, q.list
end

for _, q in ipairs(asked) do
  if made >= budget then break end
  local m, state, ids, list = #reply, publish(q)
  if type(state) == 'table' then return state end
  reply[m + 1], reply[m + 2], reply[m + 3] = state, ids, list
end
for M, log in pairs(logs) do
  if push(nil, key('v', M), log) == #log then call('ZADD', P .. 'o', NOW, M) end
end
for _, t in ipairs(order) do
  if #t.list > 0 then enter(t, t.list) end
  if t.empty or t[TESTS] > 0 then offer(t, now) end
  fresh[#fresh + 1], fresh[#fresh + 2] = t.n, pack_state(t)
end
if #fresh > 0 then
  many('HSET', T, fresh)
  for _, n in ipairs(damaged) do bad('webhook ' .. n, 'state cannot be read', n) end
end
return finish(reply)
