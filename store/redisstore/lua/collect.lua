-- Takes away a part of what deleted webhooks left.
--
-- ARGV[5]  how many records at most
-- Reply    OK, 1 if there is more

drain()
local limit = num()
local n = call('HRANDFIELD', P .. 'gc', 1)[1]
if not n then return { 'OK', 0 } end

-- forget leaves nothing of what was enqueued. at is where a record has its element, if it is one.
local function forget(s, at)
  pcall(function() forget_enqueued(n, at and element_in(s, at) or s) end)
end
for _, kind in ipairs({ 'z', 'y' }) do
  local seqs = own(n, 'ZRANGE', key(kind, n), 0, limit - 1)
  local recs, names = records(n, seqs)
  for _, rec in ipairs(recs) do forget(rec, IN_RECORD) end
  if #seqs > 0 then
    call('HDEL', A, unpack(names))
    call('ZREM', key(kind, n), unpack(seqs))
  end
  if #seqs == limit then return { 'OK', 1 } end
end
local fresh = own(n, 'LRANGE', key('q', n), 0, limit - 1)
for _, el in ipairs(fresh) do forget(el) end
call('LTRIM', key('q', n), #fresh, -1)
if #fresh == limit then return { 'OK', 1 } end
local notices = own(n, 'ZRANGE', key('nw', n), 0, limit - 1)
for _, notice in ipairs(notices) do forget_notice(notice, n) end
if #notices == limit then return { 'OK', 1 } end
local pages = own(n, 'ZRANGE', key('g', n), 0, 9)
for _, page in ipairs(pages) do
  local l = page_key(n, page)
  for _, s in ipairs(own(n, 'LRANGE', l, 0, -1)) do forget(s, IN_ENDED) end
  call('UNLINK', l)
  call('ZREM', P .. 'p', n .. ':' .. page)
  call('ZREM', key('g', n), page)
end
if #pages == 10 then return { 'OK', 1 } end
call('HDEL', P .. 'gc', n)
return { 'OK', call('EXISTS', P .. 'gc') }
