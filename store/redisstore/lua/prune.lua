-- Removes one kind of what retention no longer keeps.
--
-- ARGV[5]  what: sweep, paused, age, surplus, kept, events, notices
-- ARGV[6]  age in milliseconds, or for surplus how many to keep
-- ARGV[7]  how many records at most
-- ARGV[8]  where to go on, empty at first
-- ARGV[9]  for paused: the code that they end with
-- Reply    OK, how many it removed or ended, 1 if there may be more, where to go on

drain()
local what, bound, limit, from, code = arg(), num(), num(), arg(), arg()
local before, done = now - bound, 0

local function answer(more, go_on) return { 'OK', done, more and 1 or 0, go_on or '' } end

-- leave removes a page from the list of those that have anything, if it has none.
local function leave(t, page)
  if page >= page_of(t[HEAD]) then return end
  if t[LEASED] + t[WAITING] + t[TESTS] > 0 then
    local names = {}
    for i = 0, PAGE - 1 do names[i + 1] = t.n .. ':' .. text(page * PAGE + i) end
    for _, rec in ipairs(call('HMGET', A, unpack(names))) do
      if rec then return end
    end
  end
  call('ZREM', key('g', t.n), page)
end

-- forget removes ended deliveries of a page and keeps the rest of them.
local function forget(t, page, gone, rest, inner)
  local youngest, ok, tries = 0, 0, 0
  for _, s in ipairs(gone) do
    local fine, why = pcall(function()
      local el = element_in(s, IN_ENDED)
      local created, flags = element(el)
      if flags % 2 == 0 then youngest = math.max(youngest, created) end
      forget_enqueued(t.n, el, page * PAGE + byte(s))
      tries = tries + byte(s, 17) * 256 + byte(s, 18)
    end)
    if not fine then bad('an ended delivery of webhook ' .. t.n, why) end
    if sub(s, 2, 2) == 's' then ok = ok + 1 end
  end
  local l, member = key('l', t.n) .. ':' .. page, t.n .. ':' .. page
  if #rest == 0 then
    call('UNLINK', l)
    call('ZREM', P .. 'p', member)
    leave(t, page)
  else
    if inner then
      call('UNLINK', l)
      call('RPUSH', l, unpack(rest))
    else
      call('LTRIM', l, #gone, -1)
    end
    call('ZADD', P .. 'p', text((sunpack('>I6', rest[1], 3))), member)
  end
  t[OK], t[FAILED], t[TRIES] = t[OK] - ok, t[FAILED] - (#gone - ok), t[TRIES] - tries
  if youngest > tonumber(call('HGET', key('x', t.n), 'pr') or 0) then call('HSET', key('x', t.n), 'pr', text(youngest)) end
  save_state(t)
  done = done + #gone
end

local function split(list, goes)
  local gone, rest = {}, {}
  for i, s in ipairs(list) do
    if goes(i, s) then gone[#gone + 1] = s else rest[#rest + 1] = s end
  end
  return gone, rest
end

-- paused ends what a disabled webhook has kept too long. It goes on at an offset in z, with
-- the oldest creation of what it has left so far.
local function end_paused()
  repeat
    settle_claims()
    local first = call('ZRANGE', P .. 'h', 0, 0, 'WITHSCORES')[2]
  until not first or tonumber(first) > now
  local n, offset, oldest = string.match(from, '^(%d+) (%d+) (%d+)$')
  n = n or call('ZRANGEBYSCORE', P .. 'off', '-inf', '(' .. before, 'LIMIT', 0, 1)[1]
  if not n then return answer(false) end
  offset, oldest = tonumber(offset or 0), tonumber(oldest or 1e15)
  local ok, why = pcall(function()
    local t = state_of(n, call('HGET', T, n))
    if not t or t[ACTIVE] == 1 then return call('ZREM', P .. 'off', n) end
    local q, z, all, popped = key('q', n), key('z', n), true, 0
    if offset == 0 then
      for _, el in ipairs(call('LRANGE', q, 0, 199)) do
        local fine, created = pcall(element, el)
        if fine and (created >= before or done >= limit) then
          all = created >= before
          oldest = math.min(oldest, created)
          break
        end
        popped = popped + 1
        if fine then
          spoil(t, t[HEAD] + popped, false, el, code)
          done = done + 1
        elseif el ~= '' then
          bad('a delivery to webhook ' .. n, 'cannot be read')
          t[PENDING] = t[PENDING] - 1
        end
      end
      call('LTRIM', q, popped, -1)
      if popped > 0 then advance(t, t[HEAD] + popped) end
      if t[LAST] > t[HEAD] then strip(t) end
      all = all and popped < 200
    end
    local seqs, names = call('ZRANGE', z, offset, offset + 199), {}
    for i, seq in ipairs(seqs) do names[i] = n .. ':' .. seq end
    for i, rec in ipairs(#names > 0 and call('HMGET', A, unpack(names)) or {}) do
      local fine, created = pcall(function() return (element((element_in(rec, IN_RECORD)))) end)
      if fine and created >= before or done >= limit then
        if fine then oldest = math.min(oldest, created) end
        all = all and fine and created >= before
        offset = offset + 1
      else
        if fine then
          spoil(t, tonumber(seqs[i]), rec, nil, code)
          done = done + 1
        else
          bad('a delivery to webhook ' .. names[i], 'cannot be read')
          t[PENDING] = t[PENDING] - 1
        end
        call('HDEL', A, names[i])
        t[WAITING] = t[WAITING] - call('ZREM', z, seqs[i])
      end
    end
    place(t)
    save_state(t)
    tally(-done)
    if not all then
      from = ''
    elseif #seqs == 200 then
      from = n .. ' ' .. text(offset) .. ' ' .. text(oldest)
    else
      from = ''
      if oldest < 1e15 then call('ZADD', P .. 'off', text(oldest), n) else call('ZREM', P .. 'off', n) end
    end
  end)
  if not ok then
    bad('webhook ' .. n, why)
    call('ZREM', P .. 'off', n)
    from = ''
  end
  return answer(true, from)
end

local function by_age()
  for _ = 1, 20 do
    local member = call('ZRANGEBYSCORE', P .. 'p', '-inf', '(' .. before, 'LIMIT', 0, 1)[1]
    if not member then return answer(false) end
    if done >= limit then return answer(true) end
    local n, page = string.match(member, '^(%d+):(%d+)$')
    local ok, why = pcall(function()
      local t, left = state_of(n, call('HGET', T, n)), limit - done
      local list = call('LRANGE', key('l', n) .. ':' .. page, 0, -1)
      local young = false
      local gone, rest = split(list, function(i, s)
        young = young or i > left or #s >= 8 and sunpack('>I6', s, 3) >= before
        return not young
      end)
      if #gone == 0 and #rest > 0 then return call('ZADD', P .. 'p', text((sunpack('>I6', rest[1], 3))), member) end
      forget(t, tonumber(page), gone, rest)
    end)
    if not ok then
      bad('page ' .. member, why)
      call('ZREM', P .. 'p', member)
      if n then call('UNLINK', key('l', n) .. ':' .. page) end
    end
  end
  return answer(true)
end

-- lowest returns the lowest page of a webhook that has something ended, and what it has.
local function lowest(n)
  for _, page in ipairs(call('ZRANGE', key('g', n), 0, 99)) do
    local list = call('LRANGE', key('l', n) .. ':' .. page, 0, -1)
    if #list > 0 then return tonumber(page), list end
  end
end

local function surplus()
  for _ = 1, 20 do
    local n = call('ZRANGEBYSCORE', P .. 'f', bound + COUNTED, '+inf', 'LIMIT', 0, 1)[1]
    if not n then return answer(false) end
    if done >= limit then return answer(true) end
    local ok, why = pcall(function()
      local t = state_of(n, call('HGET', T, n))
      local over = t[OK] + t[FAILED] - bound
      local page, list = lowest(n)
      if not page or over <= 0 then return call('ZADD', P .. 'f', math.min(t[OK] + t[FAILED], bound), n) end
      local slots = {}
      for i, s in ipairs(list) do slots[i] = byte(s) or 0 end
      table.sort(slots)
      local last = slots[math.min(over, limit - done, #slots)]
      local gone, rest = split(list, function(_, s) return (byte(s) or 0) <= last end)
      forget(t, page, gone, rest, true)
      call('ZADD', P .. 'f', t[OK] + t[FAILED], n)
    end)
    if not ok then
      bad('webhook ' .. n, why)
      call('ZREM', P .. 'f', n)
    end
  end
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

-- pending says that a delivery has not ended.
local function pending(n, seq, test)
  local t = state(n)
  return t and (not test and seq > t[HEAD] or call('HEXISTS', A, n .. ':' .. text(seq)) == 1)
end

-- wanted says that a delivery still has to carry an event.
local function wanted(M, el)
  local _, _, _, event = element(el)
  local stored, _, ids = head_of(event_key(M, event))
  if not stored then return false end
  local flags = byte(stored, 7)
  for at = 1, #ids, 10 do
    local n, seq = sunpack('>I4I6', ids, at)
    if pending(text(n), seq, flags % 2 == 1) then return true end
  end
  if flags < 8 then return false end
  for _, n in ipairs(call('HVALS', key('m', M))) do
    local all = call('HGET', P .. 'j', n .. ':' .. esc(event)) or ''
    for at = 9, #all, 14 do
      if pending(n, (sunpack('>I6', all, at)), flags % 2 == 1) then return true end
    end
  end
  return false
end

-- away removes an event unless it is wanted, and says if it has.
local function away(M, el)
  local ok, keep = pcall(wanted, M, el)
  if ok and keep then return false end
  if not ok then bad('an event of ' .. M, keep) end
  local fine, _, _, _, event = pcall(element, el)
  if fine then call('UNLINK', event_key(M, event)) end
  done = done + 1
  return true
end

-- kept looks again at events that were too old before, but pending.
local function kept()
  local M, after = string.match(from, '^(%S+) (%d+)$')
  M = M or call('ZRANGEBYLEX', P .. 'us', '-', '+', 'LIMIT', 0, 1)[1]
  if not M then return answer(false) end
  local k = key('u', M)
  local all = call('ZRANGEBYSCORE', k, '(' .. (after or '-inf'), '+inf', 'WITHSCORES', 'LIMIT', 0, 200)
  for i = 1, #all, 2 do
    if done >= limit then return answer(true, M .. ' ' .. (after or 0)) end
    if (sunpack('>I6', all[i])) < before and away(M, all[i]) then call('ZREM', k, all[i]) end
    after = all[i + 1]
  end
  if #all == 400 then return answer(true, M .. ' ' .. after) end
  if call('EXISTS', k) == 0 then call('ZREM', P .. 'us', M) end
  M = call('ZRANGEBYLEX', P .. 'us', '(' .. M, '+', 'LIMIT', 0, 1)[1]
  if not M then return answer(false) end
  return answer(true, M .. ' 0')
end

local function events()
  for _ = 1, 20 do
    local M = call('ZRANGEBYSCORE', P .. 'o', '-inf', '(' .. before, 'LIMIT', 0, 1)[1]
    if not M then return answer(false) end
    if done >= limit then return answer(true) end
    local v, taken = key('v', M), 0
    local gone = tonumber(call('HGET', P .. 'k', M) or 0)
    for _, el in ipairs(call('LRANGE', v, 0, PAGE - 1)) do
      if done >= limit or #el >= 6 and sunpack('>I6', el) >= before then break end
      taken = taken + 1
      if not away(M, el) then
        call('ZADD', key('u', M), gone + taken, el)
        call('ZADD', P .. 'us', 0, M)
      end
    end
    call('LTRIM', v, taken, -1)
    call('HSET', P .. 'k', M, text(gone + taken))
    local first = call('LINDEX', v, 0)
    if first then call('ZADD', P .. 'o', text((sunpack('>I6', first .. NOW6))), M) else call('ZREM', P .. 'o', M) end
  end
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

-- heal looks at one record of a, and mends what does not agree with it: nobody has it, though
-- its lease ended long ago, it is not in line, it cannot be read, or its webhook is not there.
local function heal(field, rec)
  local n, seq = string.match(field, '^(%d+):(%d+)$')
  local t = n and state(n)
  local ok, el = pcall(element_in, rec, IN_RECORD)
  if not t then
    local over = not ok or byte(rec, 7) ~= 1 or sunpack('>I6', rec, 14) < before
    if over and not (n and call('HEXISTS', P .. 'gc', n) == 1) then call('HDEL', A, field) end
    return
  end
  if not ok then
    call('HDEL', A, field)
    if call('ZREM', key('z', n), seq) == 1 then
      t[WAITING] = t[WAITING] - 1
    elseif call('ZREM', key('y', n), seq) == 1 then
      t[TESTS] = t[TESTS] - 1
    else
      t[LEASED] = t[LEASED] - 1
    end
    t[PENDING] = t[PENDING] - 1
    tally(-1)
  elseif byte(rec, 7) == 1 then
    local over = sunpack('>I6', rec, 14)
    if over >= before then return end
    call('HSET', A, field, sub(rec, 1, 6) .. '\2' .. sub(rec, 8))
    t[LEASED] = t[LEASED] - 1
    wait_again(t, seq, over, el)
  elseif call('ZSCORE', key(is_test(el) and 'y' or 'z', n), seq) then
    return
  else
    wait_again(t, seq, now, el)
  end
  if ok and byte(rec, 7) ~= 1 or not ok then bad('a delivery to webhook ' .. field, ok and 'was not in line' or el) end
  t[PARKED] = 0
  offer(t, now)
  save_state(t)
end

-- sweep goes on with its way through a.
local function sweep()
  local found = call('HSCAN', A, call('HGET', P .. 'c', 'sweep') or 0, 'COUNT', 200)
  for i = 1, #found[2], 2 do
    local ok, why = pcall(heal, found[2][i], found[2][i + 1])
    if not ok then bad('a delivery to webhook ' .. found[2][i], why) end
  end
  call('HSET', P .. 'c', 'sweep', found[1])
  wake()
  return answer(false)
end

local kinds = { sweep = sweep, paused = end_paused, age = by_age, surplus = surplus, kept = kept, events = events, notices = notices }
return kinds[what]()
