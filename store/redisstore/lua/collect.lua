-- Takes away a part of what deleted webhooks left.
--
-- ARGV[4]  how many records at most
-- Reply    OK, 1 if there is more

drain()
local limit = num()
local found = call('HRANDFIELD', P .. 'gc', 1, 'WITHVALUES')
local n = found[1]
if not n then return { 'OK', 0 } end
local merchant = cmsgpack.unpack(found[2])[1]
for _, kind in ipairs({ 'q', 't', 'l' }) do
  local ids = call('ZRANGE', key(kind, n), 0, limit - 1)
  for _, id in ipairs(ids) do
    local r = load(n, id)
    if r then expect(member(merchant, r[EVENT]), -1) end
    call('ZREM', key(kind, n), id)
  end
  limit = limit - #ids
  if limit <= 0 then break end
end
tally()
if limit <= 0 then return { 'OK', 1 } end
local pages = call('ZRANGE', key('p', n), 0, limit - 1)
for _, page in ipairs(pages) do
  call('UNLINK', key('g', n) .. ':' .. page)
  call('ZREM', key('p', n), page)
end
if #pages == limit then return { 'OK', 1 } end
call('UNLINK', key('d', n), key('f', n), key('y', n), key('w', n))
call('HDEL', P .. 'gc', n)
return { 'OK', call('HLEN', P .. 'gc') > 0 and 1 or 0 }
