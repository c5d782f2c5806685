-- Stores a webhook, which the client has made of the one that it read.
--
-- ARGV[5]  merchant
-- ARGV[6]  id of the webhook
-- ARGV[7]  nonce of this call, by which a call that is sent again is known
-- ARGV[8]  the version that was read, 0 for a new webhook
-- ARGV[9]  how many webhooks the merchant may have, 0 for any number
-- ARGV[10] owner, see STATE
-- ARGV[11] what w holds
-- ARGV[12] 1 if it is active, 2 if a new streak begins, 3 both, 0 none
-- ARGV[13] event types, each after its length
-- ARGV[14] rate limit
-- ARGV[15] the change, empty for none
-- ARGV[16] number of pairs, followed by names and values of what x holds, first cr
-- Reply    as of webhook.lua; CONFLICT; LIMIT; NOTFOUND; VERSION

local merchant, id, nonce, version, limit, owner, blob = arg(), arg(), arg(), num(), num(), arg(), arg()
local flags, types, rate, change, pairs_at = num(), arg(), num(), arg(), at_arg + 1
local active = flags % 2
local M = esc(merchant)
local n = number_of(merchant, id)

local function answer() return { 'OK', now, '', call('HGET', P .. 'w', n), call('HGET', T, n), call('HGETALL', key('x', n)) } end

local x = n and call('HMGET', key('x', n), 'un', 'ver', 'ev') or {}
if n and x[1] == nonce then return answer() end
if version == 0 and n then return fail('CONFLICT') end
if version > 0 and not n then return fail('NOTFOUND') end
if version > 0 and tonumber(x[2]) ~= version then return fail('VERSION', x[2]) end
local t
if n then
  t = state_of(n, call('HGET', T, n))
else
  if limit > 0 and call('HLEN', key('m', M)) >= limit then return fail('LIMIT') end
  n = text(call('HINCRBY', P .. 'c', 'n', 1))
  t = { owner, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, active, 0, 0, n = n, had = 0 }
  call('HSETNX', P .. 's', '', string.rep(' ', 65)) -- With a value as long as that, a small hash is as fast as a large one.
  call('HSET', key('m', M), id, n)
  call('ZADD', key('i', M), 0, fmt('%015.0f', tonumber(ARGV[pairs_at + 2])) .. id)
  call('ZADD', P .. 'ms', 0, merchant)
end
local fields = { 'm', merchant, 'id', id, 'un', nonce, 'ver', version + 1, 'ev', types }
for i = pairs_at + 1, pairs_at + 2 * tonumber(ARGV[pairs_at]) do fields[#fields + 1] = ARGV[i] end
call('HSET', key('x', n), unpack(fields))
call('HSET', P .. 'w', n, blob)
if change ~= '' then note_change(n, change) end

local was = version > 0 and t[ACTIVE] or 0
if was == 1 and (active == 0 or types ~= x[3]) then subscribe(merchant, id, n, x[3], false) end
if active == 1 and (was == 0 or types ~= x[3]) then subscribe(merchant, id, n, types, true) end
if flags >= 2 then t[EPOCH], t[STREAK], t[HELD], t[SPAN], t[UNWELL] = t[EPOCH] + 1, 0, 0, 0, 0 end
if rate ~= t[RATE] then t[RATE], t[LEVEL], t[TAKEN] = rate, rate * COST, now end
if version == 0 then
  if active == 0 then call('ZADD', P .. 'off', 0, n) end
elseif active ~= was then
  t[ACTIVE] = active
  if active == 1 then
    call('ZREM', P .. 'off', n)
  else
    call('ZADD', P .. 'off', 0, n)
  end
  place(t)
else
  offer(t, now)
end
rank(t)
save_state(t)
return finish(answer())
