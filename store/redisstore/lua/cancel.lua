-- Ends pending deliveries of a webhook as failed, without an attempt: one, or a step of all but tests.
--
-- ARGV[5]  merchant, ARGV[6] id of the webhook, ARGV[7] the code that they end with
-- ARGV[8]  how many at most, ARGV[9] n and ARGV[10] seq of the one, 0 for all
-- ARGV[11] last seq of all that are meant, 0 at first
-- ARGV[12] where to go on: q, z or h, and ARGV[13] the cursor of a scan there
-- Reply    OK, how many it has ended, last seq that is meant, where to go on, empty at the end, and
--          the cursor; NOTFOUND

local t = owned(arg(), arg())
if not t then return fail('NOTFOUND') end
local code, limit, n, one, through, phase, at = arg(), num(), arg(), num(), num(), arg(), arg()
local done, freed, ending = 0, false, {}
local NO_TOKEN = string.rep('\0', 6) -- No result has it, so that each is stale.

-- give_up notes that a delivery ends. rec is its record, or false and el what q holds.
local function give_up(seq, rec, el)
  local page = page_of(seq)
  rec = rec and NO_TOKEN .. sub(rec, 7) or fresh_record(el)
  ending[page] = ending[page] or {}
  table.insert(ending[page], ended(seq, 'f', rec, (sunpack('>I2', rec, 20)), code))
  done = done + 1
end

-- give_up_fresh does so with one of q, which has left it, and sets it aside if it cannot be read.
local function give_up_fresh(seq, el)
  if pcall(element, el) then give_up(seq, false, el) else drop(t.n, seq, el) end
end

-- give_up_claimed does so with one of a.
local function give_up_claimed(seq, rec)
  local leased = rec and byte(rec, 7) == 1
  freed = freed or leased
  local fine, el = pcall(element_in, rec, IN_RECORD)
  if not fine then return drop_claimed(t, seq, rec) end
  if leased then t[LEASED] = t[LEASED] - 1 else unwait(t, seq, is_test(el)) end
  call('HDEL', A, field(t.n, seq))
  give_up(seq, rec)
end

-- pick takes one out of q, wherever it is.
local function pick(seq, el)
  if seq == t[HEAD] + 1 then
    call('LPOP', key('q', t.n))
    advance(t, seq, 0)
    strip(t)
  else
    call('LSET', key('q', t.n), seq - t[HEAD] - 1, '')
    call('ZADD', key('g', t.n), page_of(seq), page_of(seq))
    t[HOLES] = t[HOLES] + 1
  end
  give_up_fresh(seq, el)
end

-- fresh takes them from the left of q, and says if none is left that is meant.
local function fresh()
  strip(t)
  local popped, holes = 0, 0
  for i, el in ipairs(own(t.n, 'LRANGE', key('q', t.n), 0, limit - 1)) do
    if t[HEAD] + i > through then break end
    if el == '' then holes = holes + 1 else give_up_fresh(t[HEAD] + i, el) end
    popped = i
  end
  if popped > 0 then
    call('LTRIM', key('q', t.n), popped, -1)
    advance(t, t[HEAD] + popped, holes)
    strip(t)
  end
  return t[HEAD] >= through
end

-- scan gives members of a sorted set to each, until that says that there are enough, and says
-- if it has seen all. A part of which something is left is scanned again: what has ended is gone.
local function scan(k, each)
  repeat
    local found = own(t.n, 'ZSCAN', k, at, 'COUNT', 100)
    for i = 1, #found[2], 2 do
      work = work + 1 + #found[2][i] / 500
      if not each(found[2][i]) then return false end
    end
    at = found[1]
  until at == '0' or work >= BUSY
  return at == '0'
end

local function waiting(seq)
  seq = tonumber(seq)
  if seq > through then return true end
  if done >= limit then return false end
  give_up_claimed(seq, call('HGET', A, field(t.n, seq)))
  return true
end

local function leased(claim)
  for seq in string.gmatch(' ' .. sub(claim, 13), ' ' .. t.n .. ':(%d+)') do
    local rec = tonumber(seq) <= through and call('HGET', A, field(t.n, seq))
    local fine, el = pcall(element_in, rec, IN_RECORD)
    if fine and sub(rec, 1, 7) == sub(claim, 1, 6) .. '\1' and not is_test(el) then
      if done >= limit then return false end
      give_up_claimed(tonumber(seq), rec)
    end
  end
  return true
end

drain()
if one > 0 then
  local where, s = locate(t, one)
  if t.n ~= n or not where then return fail('NOTFOUND') end
  if where == 'a' then give_up_claimed(one, s) elseif where == 'q' then pick(one, s) end
  phase = ''
elseif through == 0 then
  through = t[LAST]
end
if phase == 'q' and fresh() then phase, at = 'z', '0' end
if phase == 'z' and (t[WAITING] == 0 or scan(key('z', t.n), waiting)) then phase, at = 'h', '0' end
if phase == 'h' and (t[LEASED] == 0 or scan(P .. 'h', leased)) then phase = '' end
for page, list in pairs(ending) do close(t, page, list) end
if freed then t[PARKED] = 0 end
if t[WAITING] > 0 then look_next(t) end
place(t)
save_state(t)
return finish({ 'OK', done, through, phase, at })
