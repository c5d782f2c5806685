-- What is done with notices. A notice is packed {n, claims so far, merchant, webhook, kind, url,
-- reason, failures, streak that disables, beginning of the streak, time}.
--
-- ARGV[5]  add, claim, defer or ack
-- add      merchant, webhook, nonce of the call, mark before, mark after, kind, url, reason, failures,
--          streak that disables, beginning of the streak
--          Reply OK, 1 if it was added or 0 if the mark is another one; NOTFOUND
-- claim    how many at most, lease in milliseconds
--          Reply OK, and for each: id, the notice
-- defer    merchant, id, token, milliseconds
-- ack      merchant, id
--          Reply OK

drain()
local what = arg()
if what == 'add' then
  local merchant, webhook, nonce, before, after = arg(), arg(), arg(), arg(), arg()
  local t = owned(merchant, webhook)
  if not t then return fail('NOTFOUND') end
  local k = key('x', t.n)
  local x = call('HMGET', k, 'mk', 'an')
  if x[2] == nonce then return { 'OK', 1 } end -- The call was sent again.
  if (x[1] or '') ~= before then return { 'OK', 0 } end
  call('HSET', k, 'mk', after, 'an', nonce)
  add_notice(t.n, merchant, webhook, arg(), arg(), arg(), num(), num(), num())
  t[TOLD] = 1
  save_state(t)
  return finish({ 'OK', 1 })
elseif what == 'claim' then
  local limit, lease = num(), num()
  local reply, ids = { 'OK' }, call('ZRANGEBYSCORE', P .. 'nv', '-inf', NOW, 'LIMIT', 0, 1000)
  table.sort(ids, function(a, b) return (tonumber(a) or 0) < (tonumber(b) or 0) end)
  for _, id in ipairs(ids) do
    if #reply > 2 * limit then break end
    local ok = safely('notice ' .. id, nil, function()
      local notice = cmsgpack.unpack(call('HGET', P .. 'no', id))
      if #notice ~= 11 then error('cannot be read', 0) end
      if call('HEXISTS', T, notice[1]) == 0 then return forget_notice(id, notice[1]) end -- Its webhook was deleted.
      notice[2] = notice[2] + 1
      call('HSET', P .. 'no', id, cmsgpack.pack(notice))
      call('ZADD', P .. 'nv', text(now + lease), id)
      reply[#reply + 1], reply[#reply + 2] = id, notice
    end)
    if not ok then forget_notice(id) end
  end
  return reply
end
local merchant, id = arg(), arg()
local packed = call('HGET', P .. 'no', id)
local notice = packed and cmsgpack.unpack(packed)
if not notice or notice[3] ~= merchant then return { 'OK' } end
if what == 'ack' then
  forget_notice(id, notice[1])
elseif notice[2] == num() then
  call('ZADD', P .. 'nv', text(now + num()), id)
end
return { 'OK' }
