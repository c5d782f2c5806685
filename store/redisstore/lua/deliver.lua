-- Moves deliveries from place to place, and reads events, subscribers and notices. It follows
-- lib.lua in every script, and has no KEYS, ARGV or reply of its own.

-- paused notes that a disabled webhook has a delivery that waits.
local function paused(t, el)
  if t[ACTIVE] == 0 and not is_test(el) then call('ZADD', P .. 'off', 'LT', text((sunpack('>I6', el))), t.n) end
end

-- wait_again puts a delivery among those that wait, at a moment.
local function wait_again(t, seq, at, el)
  if is_test(el) then
    t[TESTS] = t[TESTS] + own(t.n, 'ZADD', key('y', t.n), text(at), seq)
    return
  end
  local new = own(t.n, 'ZADD', key('z', t.n), text(at), seq)
  if t[WAITING] == 0 or at < t[NEXT] then t[NEXT] = at end
  t[WAITING] = t[WAITING] + new
  paused(t, el)
end

-- unwait takes it out again.
local function unwait(t, seq, test)
  local gone = own(t.n, 'ZREM', key(test and 'y' or 'z', t.n), text(seq))
  local count = test and TESTS or WAITING
  t[count] = t[count] - gone
  return gone
end

-- look_next finds when the first of z is due, once some have gone.
local function look_next(t)
  local first = first_due(t, 'z')
  t[NEXT] = first or 0
  if not first then t[WAITING] = 0 end
end

-- count_waiting counts what waits anew, after damage.
local function count_waiting(t)
  t[WAITING], t[TESTS] = own(t.n, 'ZCARD', key('z', t.n)), own(t.n, 'ZCARD', key('y', t.n))
end

-- drop sets a delivery aside that cannot be read, so that it holds up nothing. Who calls it says
-- how it counts.
local function drop(n, seq, record)
  bad('delivery ' .. field(n, seq), record and 'cannot be read' or 'is lost', n, record)
  call('HDEL', A, field(n, seq))
end

-- drop_claimed does so with one that was claimed.
local function drop_claimed(t, seq, record)
  drop(t.n, seq, record)
  if unwait(t, seq, false) + unwait(t, seq, true) == 0 then t[LEASED] = t[LEASED] - 1 end
end

-- push adds to a list, and returns its length.
local function push(n, k, list)
  local len
  for i = 1, #list, 1000 do len = own(n, 'RPUSH', k, unpack(list, i, math.min(i + 999, #list))) end
  return len
end

-- enter adds fresh deliveries to q, whose numbers are given already.
local function enter(t, list)
  local len, want = push(t.n, key('q', t.n), list), t[LAST] - t[HEAD]
  if len == want then return end
  bad('key q:' .. t.n, 'has ' .. len .. ' of ' .. want, t.n)
  advance(t, t[LAST] - len, len == #list and t[HOLES] or 0)
end

-- enter_test makes a test, whose number is given already. q gets a stand-in, unless the test
-- would be its first.
local function enter_test(t, el)
  local seq = t[LAST]
  if seq == t[HEAD] + 1 then
    advance(t, seq, 0)
  else
    own(t.n, 'ZADD', key('g', t.n), page_of(seq), page_of(seq))
    t[HOLES] = t[HOLES] + 1
    enter(t, { '' })
  end
  call('HSET', A, field(t.n, seq), fresh_record(el))
  wait_again(t, seq, now, el)
end

-- ended makes of a record what l holds.
local function ended(seq, outcome, rec, attempts, attempt)
  return string.char(seq % PAGE) .. outcome .. NOW6 .. sub(rec, 1, 6) .. sub(rec, 8, 9) .. spack('>I2', attempts) .. sub(rec, IN_RECORD) .. attempt
end

-- close stores ended deliveries of a page.
local function close(t, page, list)
  local before = t[OK] + t[FAILED]
  for _, s in ipairs(list) do
    local outcome = byte(s, 2) == 115 and OK or FAILED
    t[outcome] = t[outcome] + 1
  end
  if push(t.n, page_key(t.n, page), list) == #list then call('ZADD', P .. 'p', NOW, t.n .. ':' .. page) end
  local after = before + #list
  if math.floor(after / COUNTED) ~= math.floor(before / COUNTED) then call('ZADD', P .. 'f', after, t.n) end
end

-- spoil ends a delivery without an attempt. rec is its record, or false and el what q holds.
local function spoil(t, seq, rec, el, code)
  rec = rec or fresh_record(el)
  close(t, page_of(seq), { ended(seq, 'f', rec, (sunpack('>I2', rec, 20)), code) })
end

-- forget_enqueued takes a delivery out of j, or all of its event if the webhook is gone.
local function forget_enqueued(n, el, seq)
  if not is_enqueued(el) then return end
  local _, _, _, event = element(el)
  local name, kept = n .. ':' .. esc(event), {}
  local all = seq and call('HGET', P .. 'j', name) or ''
  for i = 1, #all, 14 do
    if sunpack('>I6', all, i + 8) ~= seq then kept[#kept + 1] = sub(all, i, i + 13) end
  end
  if #kept > 0 then call('HSET', P .. 'j', name, table.concat(kept)) else call('HDEL', P .. 'j', name) end
end

local function event_key(M, event) return P .. 'e:' .. M .. ':' .. esc(event) end

-- id_in reads the id of a webhook in what w holds of it.
local function id_in(blob)
  local _, at = sunpack('>I4c0', blob, 5)
  return (sunpack('>I4c0', blob, at))
end

-- number of a merchant's webhook, or nil.
local function number_of(merchant, webhook) return call('HGET', key('m', esc(merchant)), webhook) or nil end

local function owned(merchant, webhook)
  local n = number_of(merchant, webhook)
  return n and state_of(n, call('HGET', T, n))
end

-- list_of reads texts that each follow their length.
local function list_of(packed)
  local out, at = {}, 1
  while at <= #packed do
    local len = sunpack('>I2', packed, at)
    out[#out + 1] = sub(packed, at + 2, at + 1 + len)
    at = at + 2 + len
  end
  return out
end

-- subscribers reads a list of them, as n and id by turns.
local function subscribers(packed)
  local out, at = {}, 1
  while packed and at <= #packed do
    local n, len = sunpack('>I4I2', packed, at)
    out[#out + 1], out[#out + 2] = text(n), sub(packed, at + 6, at + 5 + len)
    at = at + 6 + len
  end
  return out
end

-- subscribe enters a webhook under its event types and patterns, or takes it out.
local function subscribe(merchant, id, n, types, on)
  local own = spack('>I4I2', n, #id) .. id
  for _, type in ipairs(list_of(types)) do
    local name, list = esc(merchant) .. '|' .. type, {}
    local all = subscribers(call('HGET', P .. 's', name))
    for i = 1, #all, 2 do
      if all[i] ~= n then list[#list + 1] = spack('>I4I2', all[i], #all[i + 1]) .. all[i + 1] end
    end
    if on then list[#list + 1] = own end
    if #list == 0 then call('HDEL', P .. 's', name) else call('HSET', P .. 's', name, table.concat(list)) end
  end
end

-- troubled says that a webhook is to be seen in trouble, and rank lists it there or takes it out.
local function troubled(t) return t[ACTIVE] == 0 or t[UNWELL] > 0 end
local function rank(t)
  if troubled(t) then own(nil, 'ZADD', P .. 'tr', t.n, t.n) else own(nil, 'ZREM', P .. 'tr', t.n) end
end

-- note_change adds to the changes of a webhook, and keeps the last ones.
local function note_change(n, change)
  own(n, 'RPUSH', key('ch', n), change)
  call('LTRIM', key('ch', n), -100, -1)
end

-- id_of reads the id of a webhook in either place that holds it, or returns nil.
local function id_of(n)
  local id = redis.pcall('HGET', key('x', n), 'id')
  if type(id) == 'string' then return id end
  local ok, from = pcall(function() return id_in(call('HGET', P .. 'w', n)) end)
  return ok and from or nil
end

-- head_of reads an event that is stored: its element, its fingerprint, and what names its
-- deliveries; or nil.
local function head_of(k)
  local s = call('GETRANGE', k, 0, 255)
  if s == '' then return nil end
  local len, trace, count = sunpack('>I2I2I2', s)
  local size = 22 + len + trace + 10 * count
  if #s < size then s = call('GETRANGE', k, 0, size - 1) end
  if #s < size then error('cannot be read', 0) end
  work = work + 1 + count / 5
  return sub(s, 7, 6 + len), sub(s, 7 + len, 22 + len), sub(s, 23 + len + trace, size)
end

-- leases_of lists what a claim still has, as { n, seq, record }, and says how much it had.
local function leases_of(claim)
  local leased, fields, out = sub(claim, 1, 6) .. '\1', {}, {}
  for name in string.gmatch(sub(claim, 13), '%d+:%d+') do fields[#fields + 1] = name end
  for i, rec in ipairs(#fields > 0 and call('HMGET', A, unpack(fields)) or {}) do
    if rec and sub(rec, 1, 7) == leased then
      local n, seq = string.match(fields[i], '(%d+):(%d+)')
      out[#out + 1] = { n, seq, rec }
    end
  end
  return out, #fields
end

-- lapse ends a lease: the delivery waits again, from a moment on.
local function lapse(t, seq, rec, el, at)
  call('HSET', A, field(t.n, seq), sub(rec, 1, 6) .. '\2' .. sub(rec, 8))
  t[LEASED] = t[LEASED] - 1
  wait_again(t, seq, at, el)
end

-- settle_claims ends leases whose time is over. It does so for some hundred, and what is left
-- is for the next call.
local function settle_claims()
  local looks = 0
  while looks < 200 do
    local over = call('ZRANGEBYSCORE', P .. 'h', '-inf', NOW, 'WITHSCORES', 'LIMIT', 0, 1)
    if not over[1] then return end
    local claim, at, states, deleted = over[1], tonumber(over[2]), {}, {}
    local leases, had = leases_of(claim)
    looks = looks + had + 5
    for _, d in ipairs(leases) do
      local n, seq, rec = unpack(d)
      if states[n] == nil then
        local ok, t = safely('webhook ' .. n, n, state_of, n, call('HGET', T, n))
        states[n], deleted[n] = t or false, ok and not t
      end
      local t, fine, el = states[n], pcall(element_in, rec, IN_RECORD)
      if t and fine then
        lapse(t, seq, rec, el, at)
      elseif t then
        drop_claimed(t, seq, rec)
      elseif deleted[n] then
        call('HDEL', A, field(n, seq))
        if fine then forget_enqueued(n, el) end
      end
    end
    for _, t in pairs(states) do
      if t then
        t[PARKED] = 0
        offer(t, at)
        save_state(t)
      end
    end
    call('ZREM', P .. 'h', claim)
  end
end

-- page_list reads what has ended of a page, once.
local pages = {}
local function page_list(n, page)
  local k = page_key(n, page)
  if not pages[k] then
    pages[k] = call('LRANGE', k, 0, -1)
    for _, s in ipairs(pages[k]) do work = work + 1 + #s / 500 end
  end
  return pages[k]
end

-- locate returns where a delivery is, as a letter of its key, with what is stored of it.
local function locate(t, seq)
  local rec = call('HGET', A, field(t.n, seq))
  if rec then return 'a', rec end
  if seq > t[HEAD] then
    local el = seq <= t[LAST] and call('LINDEX', key('q', t.n), seq - t[HEAD] - 1)
    if el and el ~= '' then return 'q', el end
  end
  for _, s in ipairs(page_list(t.n, page_of(seq))) do
    if byte(s) == seq % PAGE then return 'l', s end
  end
end

-- brief leaves of what is stored of a delivery what a list shows: of the attempts the last alone,
-- without its exchange. It fails if it cannot read them.
local function brief(where, s)
  if where == 'q' then return s end
  local at = where == 'a' and IN_RECORD or IN_ENDED
  local attempts, size = sunpack('>I2I2', s, at - 2)
  local head, next, last, exchange = at + 1 + size, at + 2 + size, nil, nil
  for _ = 1, attempts do
    last = next
    local body = last + 14 + sunpack('>I2', s, last + 12)
    exchange = body + 4 + sunpack('>I4', s, body)
    next = exchange + 2 + sunpack('>I2', s, exchange)
  end
  if next > #s + 1 then error('attempts cannot be read', 0) end
  return sub(s, 1, head) .. (last and sub(s, last, exchange - 1) .. '\0\0' or '') .. sub(s, next)
end

-- shown returns a delivery as the client reads it: the letter of its place and, for one of
-- a, when it is due.
local function shown(t, seq, where, s)
  if where ~= 'a' then return where .. s end
  local el = element_in(s, IN_RECORD)
  local at = byte(s, 7) == 1 and 0 or tonumber(call('ZSCORE', key(is_test(el) and 'y' or 'z', t.n), text(seq)) or 0)
  return where .. spack('>I6', at) .. s
end

-- add_notice stores a notice. Its id is a number of which the lowest is the oldest.
local function add_notice(n, merchant, webhook, kind, url, reason, failures, after, since)
  local id = text(later('no'))
  call('HSET', P .. 'no', id, cmsgpack.pack({ n, 0, merchant, webhook, kind, url, reason, failures, after, since, now }))
  call('ZADD', P .. 'nv', NOW, id)
  call('ZADD', P .. 'na', NOW, id)
  own(n, 'ZADD', key('nw', n), 0, id)
  soonest = math.min(soonest, now)
end

local function forget_notice(id, n)
  call('HDEL', P .. 'no', id)
  call('ZREM', P .. 'nv', id)
  call('ZREM', P .. 'na', id)
  if n then own(n, 'ZREM', key('nw', n), id) end
end

-- forget_job forgets the job with a name, M:I. Its scope is free then, for nobody is there.
local function forget_job(name)
  call('HDEL', P .. 'jb', name)
  call('ZREM', P .. 'jv', name)
  call('ZREM', P .. 'jx', name)
  local M, I = string.match(name, '^([^:]*):(.*)$')
  if not M then return end
  own(nil, 'ZREM', key('jl', M), I)
  own(nil, 'ZREM', key('jd', M), I)
end
