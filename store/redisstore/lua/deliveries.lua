-- Goes through deliveries of a webhook, newest first, as far as one call may.
--
-- ARGV[5]  merchant
-- ARGV[6]  id of the webhook
-- ARGV[7]  seq below which to begin, 0 for the newest
-- ARGV[8]  how many to show
-- ARGV[9]  p, s, f or empty for any, ARGV[10] type or empty, ARGV[11] since and ARGV[12] until or empty
-- Reply    OK, time, n, seq below which to go on or 0 at the end, and for each shown: seq, and what
--          delivery.lua answers with the last attempt alone, without its exchange, or an empty text for
--          one that cannot be read; NOTFOUND

local t = owned(arg(), arg())
if not t then return fail('NOTFOUND') end
local below, show = num(), num()
local state, type, since, till = arg(), arg(), tonumber(arg()), tonumber(arg())
if below == 0 or below > t[LAST] then below = t[LAST] + 1 end
local reply = { 'OK', now, tonumber(t.n), 0 }

-- matches fails for what cannot be read.
local function matches(where, s)
  local el = where == 'q' and s or element_in(s, where == 'a' and IN_RECORD or IN_ENDED)
  local created, _, kind = element(el)
  local is = where == 'l' and sub(s, 2, 2) or 'p'
  return (state == '' or state == is) and (type == '' or type == kind) and (not since or created >= since) and (not till or created < till)
end

-- slots reads what a page holds, by seq, as { letter, stored }.
local function slots(page)
  local first, out, missing = math.max(page * PAGE, 1), {}, {}
  local last = math.min(page * PAGE + PAGE - 1, t[LAST])
  if last > t[HEAD] then
    local from = math.max(first, t[HEAD] + 1)
    for i, el in ipairs(call('LRANGE', key('q', t.n), from - t[HEAD] - 1, last - t[HEAD] - 1)) do
      if el ~= '' then out[from + i - 1] = { 'q', el } end
    end
  end
  for _, s in ipairs(page_list(t.n, page)) do
    if s ~= '' then out[page * PAGE + byte(s)] = { 'l', s } end
  end
  for seq = first, last do
    if not out[seq] then missing[#missing + 1] = seq end
  end
  for i, rec in ipairs((records(t.n, t[LEASED] + t[WAITING] + t[TESTS] > 0 and missing or {}))) do
    if rec then out[missing[i]] = { 'a', rec } end
  end
  return out
end

-- look shows what matches on a page, and says if there is enough.
local function look(page)
  work = work + 2 * PAGE
  local ok, all = pcall(slots, page)
  if not ok then return false end
  for seq = math.min(below - 1, page * PAGE + PAGE - 1), page * PAGE, -1 do
    local d = all[seq]
    local fine, match = pcall(matches, d and d[1], d and d[2])
    if d and (match or not fine) then
      if show == 0 then
        reply[4] = seq + 1
        return true
      end
      show = show - 1
      local whole, s = pcall(brief, d[1], d[2])
      reply[#reply + 1], reply[#reply + 2] = seq, fine and whole and shown(t, seq, d[1], s) or ''
    end
  end
  return false
end

-- All pages from that of HEAD on, then those that g names: more of either than one call may look at.
local page, head, pages = page_of(below - 1), page_of(t[HEAD]), {}
for p = page, math.max(head, page - 20), -1 do pages[#pages + 1] = p end
local listed = call('ZREVRANGEBYSCORE', key('g', t.n), math.min(page, head - 1), '-inf', 'LIMIT', 0, 20)
for _, p in ipairs(listed) do pages[#pages + 1] = tonumber(p) end
for _, p in ipairs(pages) do
  if work >= BUSY then
    reply[4] = (p + 1) * PAGE
    return reply
  end
  if look(p) then return reply end
end
return reply
