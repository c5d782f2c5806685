-- Removes one kind of what retention no longer keeps.
--
-- ARGV[5]  what: sweep, paused, age, surplus, kept, events, notices, jobs
-- ARGV[6]  age in milliseconds, or for surplus how many to keep
-- ARGV[7]  how many records at most
-- ARGV[8]  where to go on, empty at first
-- ARGV[9]  for paused: the code that they end with
-- Reply    OK, how many it removed or ended, 1 if there may be more, where to go on; of sweep also
--          names and notes of what was found damaged and not told before

drain()
local what, bound, limit, from, code = arg(), num(), num(), arg(), arg()
local before, done = now - bound, 0

local going = {} -- keys of events, which go all at once

local function answer(more, go_on)
  if #going > 0 then call('UNLINK', unpack(going)) end
  return finish({ 'OK', done, more and 1 or 0, go_on or '' })
end
local function enough() return done >= limit or work >= BUSY end

-- one runs f for a webhook, and then go if that fails. So what is damaged is not met again.
local function one(n, f, go)
  local ok = safely('webhook ' .. n, n, function()
    local t = state_of(n, call('HGET', T, n))
    f(t)
    if t then save_state(t) end
  end)
  if not ok then go() end
end

-- leave removes a page from the list of those that have anything, if it has none.
local function leave(t, page)
  if page >= page_of(t[HEAD]) then return end
  local seqs = {}
  for i = 1, PAGE do seqs[i] = page * PAGE + i - 1 end
  for _, rec in ipairs((records(t.n, seqs))) do
    if rec then return end
  end
  call('ZREM', key('g', t.n), page)
end

-- recount finds how many have ended, when some of them are lost.
local function recount(t)
  local lost = t[OK] + t[FAILED]
  for _, page in ipairs(own(t.n, 'ZRANGE', key('g', t.n), 0, -1)) do lost = lost - own(t.n, 'LLEN', page_key(t.n, page)) end
  local failed = math.min(lost, t[FAILED])
  t[FAILED], t[OK] = t[FAILED] - failed, t[OK] - (lost - failed)
  if t[OK] + t[FAILED] + pending(t) == 0 then t[TRIES] = 0 end
end

-- forget removes those ended deliveries of a page of which goes is true.
local function forget(t, page, goes)
  local list, gone, rest, youngest, first = page_list(t.n, page), 0, {}, 0, true
  for _, s in ipairs(list) do
    if goes(s) then
      gone = gone + 1
      local fine, len, created, flags = pcall(sunpack, '>I2I6B', s, IN_ENDED)
      if fine and #s > IN_ENDED + len then
        if flags % 2 == 0 then youngest = math.max(youngest, created) end
        if flags % 4 >= 2 then pcall(forget_enqueued, t.n, element_in(s, IN_ENDED), page * PAGE + byte(s)) end
        t[TRIES] = t[TRIES] - (byte(s, 17) * 256 + byte(s, 18))
      else
        bad('ended delivery of ' .. t.n .. ':' .. page, 'cannot be read', t.n, s)
      end
      local outcome = byte(s, 2) == 115 and OK or FAILED
      t[outcome] = t[outcome] - 1
      first = first and #rest == 0
    else
      rest[#rest + 1] = s
    end
  end
  local l, member = page_key(t.n, page), t.n .. ':' .. page
  pages[l], done = nil, done + gone
  if #rest == 0 then
    call('UNLINK', l)
    call('ZREM', P .. 'p', member)
    leave(t, page)
    if gone == 0 or call('ZCARD', key('g', t.n)) < 10 then recount(t) end -- Some may have been lost.
  else
    if gone > 0 and first then
      call('LTRIM', l, gone, -1)
    elseif gone > 0 then
      call('UNLINK', l)
      call('RPUSH', l, unpack(rest))
    end
    call('ZADD', P .. 'p', text((sunpack('>I6', rest[1] .. string.rep('\0', 8), 3))), member)
  end
  if youngest > tonumber(call('HGET', key('x', t.n), 'pr') or 0) then call('HSET', key('x', t.n), 'pr', text(youngest)) end
end

-- end_paused ends what a disabled webhook has kept too long. It goes on at an offset in z, with
-- the oldest creation of what it has left so far.
local function end_paused()
  settle_claims()
  local over = call('ZRANGE', P .. 'h', 0, 0, 'WITHSCORES')[2]
  if over and tonumber(over) <= now then return answer(true, from) end
  local n, offset, oldest = string.match(from, '^(%d+) (%d+) (%d+)$')
  n = n or call('ZRANGEBYSCORE', P .. 'off', '-inf', '(' .. before, 'LIMIT', 0, 1)[1]
  if not n then return answer(false) end
  offset, oldest, from = tonumber(offset or 0), tonumber(oldest or 1e15), ''

  one(n, function(t)
    if not t or t[ACTIVE] == 1 then return call('ZREM', P .. 'off', n) end
    local all, popped, holes, damaged = true, 0, 0, false

    -- over ends one that is too old, or sets it aside if it cannot be read. It says if the one is gone.
    local function over(seq, rec, el)
      local fine, created = pcall(function() return (element(el or element_in(rec, IN_RECORD))) end)
      if fine and created >= before then
        oldest = math.min(oldest, created)
        return false
      elseif done >= limit then
        all = false
        return false
      elseif fine then
        spoil(t, tonumber(seq), rec, el, code)
        if rec then call('HDEL', A, field(n, seq)) end
        done = done + 1
      else
        drop(n, seq, rec or el)
        damaged = true
      end
      return true
    end
    for i, el in ipairs(offset == 0 and own(n, 'LRANGE', key('q', n), 0, 199) or {}) do
      if el == '' then holes = holes + 1 elseif not over(t[HEAD] + i, false, el) then break end
      popped = i
    end
    if popped > 0 then
      call('LTRIM', key('q', n), popped, -1)
      advance(t, t[HEAD] + popped, holes)
      strip(t)
    end
    all = all and popped < 200
    local seqs = own(n, 'ZRANGE', key('z', n), offset, offset + 199)
    for i, rec in ipairs((records(n, seqs))) do
      if over(seqs[i], rec) then unwait(t, seqs[i], false) else offset = offset + 1 end
    end
    if damaged then count_waiting(t) end
    place(t)
    if all and #seqs == 200 then
      from = n .. ' ' .. text(offset) .. ' ' .. text(oldest)
    elseif all and oldest < 1e15 then
      call('ZADD', P .. 'off', text(oldest), n)
    elseif all then
      call('ZREM', P .. 'off', n)
    end
  end, function() call('ZREM', P .. 'off', n) end)
  return answer(true, from)
end

local function by_age()
  repeat
    local member = call('ZRANGEBYSCORE', P .. 'p', '-inf', '(' .. before, 'LIMIT', 0, 1)[1]
    if not member then return answer(false) end
    local n, page = string.match(member, '^(%d+):(%d+)$')
    one(n or member, function(t)
      local left, young = limit - done, false
      forget(t, tonumber(page), function(s)
        young = young or left == 0 or #s >= 8 and sunpack('>I6', s, 3) >= before
        left = left - 1
        return not young
      end)
    end, function()
      call('ZREM', P .. 'p', member)
      if n then call('UNLINK', page_key(n, page)) end
    end)
  until enough()
  return answer(true)
end

-- lowest returns the lowest page of a webhook that has something ended.
local function lowest(n)
  for _, page in ipairs(call('ZRANGE', key('g', n), 0, 99)) do
    if #page_list(n, page) > 0 then return tonumber(page) end
    work = work + 1
  end
end

local function surplus()
  repeat
    local n = call('ZRANGEBYSCORE', P .. 'f', bound + COUNTED, '+inf', 'LIMIT', 0, 1)[1]
    if not n then return answer(false) end
    one(n, function(t)
      local over, page = t[OK] + t[FAILED] - bound, lowest(n)
      if page and over > 0 then
        local slots = {}
        for i, s in ipairs(page_list(n, page)) do slots[i] = byte(s) or 0 end
        table.sort(slots)
        local last = slots[math.min(over, limit - done, #slots)] or -1
        forget(t, page, function(s) return (byte(s) or 0) <= last end)
      end
      local has = t[OK] + t[FAILED]
      call('ZADD', P .. 'f', page and has or math.min(has, bound), n)
    end, function() call('ZREM', P .. 'f', n) end)
  until enough()
  return answer(true)
end

local cache = {}
local function state(n)
  if cache[n] == nil then
    local ok, t = pcall(state_of, n, call('HGET', T, n))
    cache[n] = ok and t or false
  end
  return cache[n]
end

-- open says that a delivery has not ended.
local function open(n, seq, test)
  local t = state(n)
  work = work + 1
  if not t then return false end
  if test or seq <= t[HEAD] then return call('HEXISTS', A, field(n, seq)) == 1 end
  return t[HOLES] == 0 or own(n, 'LINDEX', key('q', n), seq - t[HEAD] - 1) ~= ''
end

-- wanted says that a delivery still has to carry an event.
local function wanted(M, el)
  local _, _, _, event = element(el)
  local k = event_key(M, event)
  local stored, _, ids = head_of(k)
  if not stored then return false, k end
  local flags = byte(stored, 7)
  for at = 1, #ids, 10 do
    local n, seq = sunpack('>I4I6', ids, at)
    if open(text(n), seq, flags % 2 == 1) then return true end
  end
  if flags < 8 then return false, k end
  for _, n in ipairs(call('HVALS', key('m', M))) do
    local all = call('HGET', P .. 'j', n .. ':' .. esc(event)) or ''
    for at = 9, #all, 14 do
      if open(n, (sunpack('>I6', all, at)), flags % 2 == 1) then return true end
    end
  end
  return false, k
end

-- away removes an event, unless it is wanted, and says if it goes.
local function away(M, el)
  local ok, keep, k = pcall(wanted, M, el)
  if ok and keep then return false end
  if not ok then
    bad('an event of ' .. M, keep, nil, el)
    local fine, _, _, _, event = pcall(element, el)
    k = fine and event_key(M, event)
  end
  if k then going[#going + 1] = k end
  done = done + 1
  return true
end

-- kept looks again at events that were too old before, but pending.
local function kept()
  local M, after = string.match(from, '^(%S+) (%d+)$')
  M = M or call('ZRANGEBYLEX', P .. 'us', '-', '+', 'LIMIT', 0, 1)[1]
  if not M then return answer(false) end
  local k = key('u', M)
  local all = own(nil, 'ZRANGEBYSCORE', k, '(' .. (after or '-inf'), '+inf', 'WITHSCORES', 'LIMIT', 0, 200)
  for i = 1, #all, 2 do
    if enough() then return answer(true, M .. ' ' .. (after or 0)) end
    if (#all[i] < 6 or sunpack('>I6', all[i]) < before) and away(M, all[i]) then call('ZREM', k, all[i]) end
    after = all[i + 1]
  end
  if #all == 400 then return answer(true, M .. ' ' .. after) end
  if call('EXISTS', k) == 0 then call('ZREM', P .. 'us', M) end
  M = call('ZRANGEBYLEX', P .. 'us', '(' .. M, '+', 'LIMIT', 0, 1)[1]
  return answer(M, M and M .. ' 0')
end

local function events()
  repeat
    local M = call('ZRANGEBYSCORE', P .. 'o', '-inf', '(' .. before, 'LIMIT', 0, 1)[1]
    if not M then return answer(false) end
    local v, taken = key('v', M), 0
    local gone = tonumber(call('HGET', P .. 'k', M) or 0)
    for _, el in ipairs(own(nil, 'LRANGE', v, 0, PAGE - 1)) do
      if enough() or #el >= 6 and sunpack('>I6', el) >= before then break end
      taken = taken + 1
      if not away(M, el) then
        own(nil, 'ZADD', key('u', M), gone + taken, el)
        call('ZADD', P .. 'us', 0, M)
      end
    end
    call('LTRIM', v, taken, -1)
    call('HSET', P .. 'k', M, text(gone + taken))
    local first = call('LINDEX', v, 0)
    if first then call('ZADD', P .. 'o', text((sunpack('>I6', first .. NOW6))), M) else call('ZREM', P .. 'o', M) end
  until enough()
  return answer(true)
end

local function notices()
  for i, id in ipairs(call('ZRANGEBYSCORE', P .. 'na', '-inf', '(' .. before, 'LIMIT', 0, limit + 1)) do
    if i > limit then return answer(true) end
    local packed = call('HGET', P .. 'no', id)
    local ok, notice = pcall(cmsgpack.unpack, packed)
    forget_notice(id, ok and notice[1])
    done = done + 1
  end
  return answer(false)
end

local function jobs()
  for i, name in ipairs(call('ZRANGEBYSCORE', P .. 'jx', '-inf', '(' .. before, 'LIMIT', 0, limit + 1)) do
    if i > limit then return answer(true) end
    forget_job(name)
    done = done + 1
  end
  return answer(false)
end

-- heal looks at one record of a, and mends what does not agree with it: nobody has it, though
-- its lease ended long ago, it is not in line, it cannot be read, or its webhook is not there.
local function heal(name, rec)
  local n, seq = string.match(name, '^(%d+):(%d+)$')
  local t = n and state(n)
  local ok, el = pcall(element_in, rec, IN_RECORD)
  local leased = byte(rec, 7) == 1 and #rec >= 20
  if not t then
    local over = not ok or not leased or sunpack('>I6', rec, 14) < before
    if over and not (n and call('HEXISTS', P .. 'gc', n) == 1) then call('HDEL', A, name) end
    return
  end
  local since = now
  if not ok then
    drop_claimed(t, seq, rec)
  elseif leased then
    local over = sunpack('>I6', rec, 14)
    if over >= before then return end
    lapse(t, seq, rec, el, over)
    since = over
  elseif own(n, 'ZSCORE', key(is_test(el) and 'y' or 'z', n), seq) then
    return
  else
    wait_again(t, seq, now, el)
    bad('delivery ' .. name, 'was not in line', n)
  end
  t[PARKED] = 0
  offer(t, since)
  save_state(t)
end

-- sweep goes on with its way through a.
local function sweep()
  local found = call('HSCAN', A, call('HGET', P .. 'c', 'sweep') or 0, 'COUNT', 200)
  for i = 1, #found[2], 2 do safely('delivery ' .. found[2][i], nil, heal, found[2][i], found[2][i + 1]) end
  call('HSET', P .. 'c', 'sweep', found[1])
  local reply = answer(false)
  local untold = call('ZPOPMIN', P .. 'untold', 100)
  for i = 1, #untold, 2 do
    local note = call('HGET', P .. 'bad', untold[i])
    if note then reply[#reply + 1], reply[#reply + 2] = untold[i], note end
  end
  return reply
end

local kinds = { sweep = sweep, paused = end_paused, age = by_age, surplus = surplus, kept = kept, events = events, notices = notices, jobs = jobs }
return kinds[what]()
