-- What is done with jobs. One is packed {id, merchant, scope, kind, state, version, creation, last
-- change, end or 0, number}, and shown without its number. A call that is sent again adds nothing
-- twice, and changes nothing twice if it names a version.
--
-- ARGV[5]  add, get, list, update or claim
-- add      merchant, id, scope, kind, state
--          Reply OK, the job that is there
-- get      merchant, id
--          Reply OK, the job; NOTFOUND
-- list     merchant, scope or '', how many at most, number to go on below or 0
--          Reply OK, number to go on below or -1, jobs, each a list
-- update   merchant, id, version or 0, 1 if there is a state, state, delay in milliseconds, 1 to end
--          it, how many that have ended are kept
--          Reply OK, the job; NOTFOUND, VERSION
-- claim    how many at most, lease in milliseconds, how many that are due to pass over, kinds
--          Reply OK, how many to pass over in the next call or -1, jobs, each a list

drain()
local what = arg()
local STATE_OF, VERSION, UPDATED, ENDED, NUMBER = 5, 6, 8, 9, 10
local LOOKS = 200

-- read returns the job with a name, or nil. One that cannot be read is set aside.
local function read(name)
  local packed = call('HGET', P .. 'jb', name)
  if not packed then return nil end
  local ok, j = pcall(cmsgpack.unpack, packed)
  if ok and type(j) == 'table' and #j == NUMBER and j[NUMBER] then return j end
  bad('job ' .. name, 'cannot be read', nil, packed)
  forget_job(name)
end
local function write(name, j) call('HSET', P .. 'jb', name, cmsgpack.pack(j)) end
local function shown(j) return { unpack(j, 1, ENDED) } end
local function found(j) return finish({ 'OK', unpack(j, 1, ENDED) }) end

-- let makes a job claimable from a moment on.
local function let(name, at)
  call('ZADD', P .. 'jv', text(at), name)
  if at <= now then soonest = math.min(soonest, now) end
end

if what == 'claim' then
  local limit, lease, from, reply, known = num(), num(), num(), { 'OK', -1 }, {}
  for i = at_arg + 1, #ARGV do known[ARGV[i]] = true end
  local names = call('ZRANGEBYSCORE', P .. 'jv', '-inf', NOW, 'LIMIT', from, LOOKS)
  for _, name in ipairs(names) do
    if #reply - 2 >= limit then return reply end
    local j = read(name)
    if not j then
      call('ZREM', P .. 'jv', name)
    elseif known[j[4]] then
      call('ZADD', P .. 'jv', text(now + lease), name)
      reply[#reply + 1] = shown(j)
    else
      from = from + 1 -- It stays where it is.
    end
  end
  if #names == LOOKS and #reply - 2 < limit then reply[2] = from end
  return reply
end

local merchant = arg()
local M = esc(merchant)
local LIST, OVER = key('jl', M), key('jd', M)

if what == 'list' then
  local scope, limit, below = arg(), num(), num()
  local reply, last, looks = { 'OK', -1 }, nil, 0
  local from = below > 0 and '(' .. text(below) or '+inf'
  local all = own(nil, 'ZRANGE', LIST, from, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, LOOKS + 1, 'WITHSCORES')
  for i = 1, #all, 2 do
    if #reply - 2 >= limit or looks == LOOKS then
      reply[2] = tonumber(last)
      break
    end
    local j = read(M .. ':' .. all[i])
    if j and (scope == '' or j[3] == scope) then reply[#reply + 1] = shown(j) end
    last, looks = all[i + 1], looks + 1
  end
  return reply
end

local id = arg()
local I = esc(id)
local name = M .. ':' .. I
local j = read(name)

if what == 'add' then
  if j then return found(j) end
  local scope, kind, state = arg(), arg(), arg()
  local place = M .. ':' .. esc(scope)
  local other = call('HGET', P .. 'js', place)
  local open = other and read(M .. ':' .. other)
  if open and open[ENDED] == 0 then return found(open) end
  j = { id, merchant, scope, kind, state, 1, now, now, 0, later('job') }
  write(name, j)
  call('HSET', P .. 'js', place, I)
  own(nil, 'ZADD', LIST, text(j[NUMBER]), I)
  let(name, now)
  return found(j)
end

if not j then return fail('NOTFOUND') end
if what == 'get' then return found(j) end

local version, has, state, delay, ending, most = num(), arg(), arg(), num(), arg(), num()
if version ~= 0 and version ~= j[VERSION] then return fail('VERSION', j[VERSION]) end
j[VERSION], j[UPDATED] = j[VERSION] + 1, now
if has == '1' then j[STATE_OF] = state end
if j[ENDED] == 0 and ending == '1' then
  j[ENDED] = now
  call('ZREM', P .. 'jv', name)
  call('ZADD', P .. 'jx', NOW, name)
  local place = M .. ':' .. esc(j[3])
  if call('HGET', P .. 'js', place) == I then call('HDEL', P .. 'js', place) end
  own(nil, 'ZADD', OVER, text(later('job')), I)
  if own(nil, 'ZCARD', OVER) > most then forget_job(M .. ':' .. call('ZRANGE', OVER, 0, 0)[1]) end
elseif j[ENDED] == 0 then
  let(name, now + delay)
end
write(name, j)
return found(j)
