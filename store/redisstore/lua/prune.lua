-- Removes one kind of what retention no longer keeps.
--
-- ARGV[4]  what: paused, age, surplus, events, notices
-- ARGV[5]  age in milliseconds, or for surplus how many to keep
-- ARGV[6]  how many records at most
-- ARGV[7]  for paused: the code that they end with
-- Reply    OK, how many it removed or ended, 1 if there may be more

drain()
local what, bound, limit, code = arg(), num(), num(), arg()
local before = now - bound
local done = 0
local looks = 1000 -- How many records to look at.

-- lease_over says that nobody has a pending delivery.
local function lease_over(r) return r[OPEN] == 0 or time_of(r) <= now end

-- give_up ends a paused delivery as failed. A late result of its last lease is
-- not accepted any more.
local function give_up(n, merchant, id, r)
  call('ZREM', key('l', n), id)
  call('ZREM', waiting_in(n, r), id)
  if r[OPEN] == 1 then r[TOKEN] = r[TOKEN] + 1 end
  r[OPEN], r[STATE], r[AT], r[FAULT] = 0, FAILED, now - r[CREATED], code
  call('ZADD', key('f', n), now, id)
  save(n, id, r)
  expect(member(merchant, r[EVENT]), -1)
end

-- recover ends what a disabled webhook's leases left, or puts it back. It returns
-- false if there is more to end than the limit.
local function recover(n, merchant)
  for _, id in ipairs(call('ZRANGEBYSCORE', key('l', n), '-inf', now, 'LIMIT', 0, 200)) do
    local r = load(n, id)
    if not r then
      call('ZREM', key('l', n), id)
    elseif r[CREATED] >= before and not is_test(r) then
      call('ZREM', key('l', n), id)
      call('ZADD', key('q', n), time_of(r), id)
      paused(n, r)
    elseif not is_test(r) then
      if done >= limit then return false end
      give_up(n, merchant, id, r)
      done = done + 1
    end
  end
  return true
end

-- page_of reads a page of a webhook's deliveries: ids by sequence mod 100.
local function page_of(n, page)
  local ids, all = {}, call('HGETALL', key('g', n) .. ':' .. page)
  for i = 1, #all, 2 do ids[tonumber(all[i])] = all[i + 1] end
  return ids
end

-- walk goes through a disabled webhook's deliveries from the oldest that it has
-- not walked through. It returns when to come back, or false if it has not come
-- to the end, and how far it came.
local SPAN = 12
local function walk(n, merchant)
  local walked = tonumber(call('HGET', key('w', n), 'wk') or 0)
  local pages = call('ZRANGEBYSCORE', key('p', n), math.floor((walked + 1) / PAGE), '+inf', 'LIMIT', 0, SPAN)
  for _, page in ipairs(pages) do
    local ids = page_of(n, page)
    for i = 0, PAGE - 1 do
      local seq = tonumber(page) * PAGE + i
      if ids[i] and seq > walked then
        local r = load(n, ids[i])
        looks = looks - 1
        if r and r[STATE] == PENDING and not is_test(r) and lease_over(r) then
          if r[CREATED] >= before then return r[CREATED], walked end
          if done >= limit then return false, walked end
          give_up(n, merchant, ids[i], r)
          done = done + 1
        end
        walked = seq
      end
    end
  end
  return #pages < SPAN and math.huge, walked
end

local function answer(more)
  tally()
  return { 'OK', done, more }
end

if what == 'paused' then
  for _, n in ipairs(call('ZRANGEBYSCORE', P .. 'off', '-inf', '(' .. before, 'LIMIT', 0, 100)) do
    local w = call('HMGET', key('w', n), 'm', 'rl')
    local merchant = w[1]
    if merchant then
      local back = recover(n, merchant)
      if back then
        local walked
        back, walked = walk(n, merchant)
        call('HSET', key('w', n), 'wk', walked)
      end
      rekey_ended(n)
      offer(n, false, w[2])
      if not back then return answer(1) end
      local lease = first(key('l', n))
      if lease then back = math.min(back, lease - bound - 1) end
      if back < math.huge then
        call('ZADD', P .. 'off', back, n)
      else
        call('ZREM', P .. 'off', n)
      end
      if looks <= 0 then return answer(1) end
    else
      call('ZREM', P .. 'off', n)
    end
  end
  return answer(0)
end

local function sweep(n, ids)
  local till = tonumber(call('HGET', key('w', n), 'pr') or 0)
  local youngest = till
  for _, id in ipairs(ids) do
    local r = load(n, id)
    if r and not is_test(r) then youngest = math.max(youngest, r[CREATED]) end
    if r then remove(n, id, r) else call('ZREM', key('f', n), id) end
    done = done + 1
  end
  if youngest > till then call('HSET', key('w', n), 'pr', string.format('%.0f', youngest)) end
  rekey_ended(n)
end

-- made_first finds ended deliveries, those that were made first before the others. Where
-- many older ones wait, it takes several calls: sw is the page to go on from.
local function made_first(n, most)
  local wk, out = key('w', n), {}
  local from = call('HGET', wk, 'sw') or '0'
  local pages = call('ZRANGEBYSCORE', key('p', n), from, '+inf', 'LIMIT', 0, SPAN)
  for _, page in ipairs(pages) do
    local ids = page_of(n, page)
    for i = 0, PAGE - 1 do
      if ids[i] and #out < most then
        looks = looks - 1
        if call('ZSCORE', key('f', n), ids[i]) then out[#out + 1] = ids[i] end
      end
    end
  end
  if #out < most and #pages == SPAN then
    call('HSET', wk, 'sw', pages[SPAN] + 1)
  else
    call('HDEL', wk, 'sw')
    if #out == 0 and from == '0' then return call('ZRANGE', key('f', n), 0, most - 1) end -- No page has them.
  end
  return out
end

if what == 'age' then
  while true do
    local n = call('ZRANGEBYSCORE', P .. 'old', '-inf', '(' .. before, 'LIMIT', 0, 1)[1]
    if not n then return { 'OK', done, 0 } end
    if done >= limit then return { 'OK', done, 1 } end
    sweep(n, call('ZRANGEBYSCORE', key('f', n), '-inf', '(' .. before, 'LIMIT', 0, limit - done))
  end
elseif what == 'surplus' then
  while true do
    local n = call('ZRANGEBYSCORE', P .. 'full', '(' .. bound, '+inf', 'LIMIT', 0, 1)[1]
    if not n then return { 'OK', done, 0 } end
    if done >= limit or looks <= 0 then return { 'OK', done, 1 } end
    sweep(n, made_first(n, math.min(call('ZCARD', key('f', n)) - bound, limit - done)))
  end
elseif what == 'events' then
  local found = call('ZRANGEBYSCORE', P .. 'idle', '-inf', '(' .. before, 'LIMIT', 0, limit + 1)
  for i, member in ipairs(found) do
    if i > limit then return { 'OK', done, 1 } end
    local M = string.match(member, '^[^:]*')
    local _, h = head(P .. 'e:' .. member)
    call('ZREM', P .. 'idle', member)
    call('DEL', P .. 'e:' .. member)
    if h and h[3] > 0 then
      local page = math.floor(h[3] / PAGE)
      local pk = key('v', M) .. ':' .. page
      call('HDEL', pk, h[3] % PAGE)
      if call('HLEN', pk) <= 2 then -- only its span
        call('DEL', pk)
        call('ZREM', key('x', M), page)
      end
    end
    done = done + 1
  end
  return { 'OK', done, 0 }
else
  local found = call('ZRANGEBYSCORE', P .. 'na', '-inf', '(' .. before, 'LIMIT', 0, limit + 1)
  for i, notice in ipairs(found) do
    if i > limit then return { 'OK', done, 1 } end
    forget_notice(notice)
    done = done + 1
  end
  return { 'OK', done, 0 }
end
