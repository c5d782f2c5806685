-- Finds the deliveries of an event, or shows some, in steps.
--
-- ARGV[5]  find or show, ARGV[6] merchant
-- find     KEYS[2] the event; ARGV[7] where to go on in a scan of the merchant's webhooks, 0 at first
--          Reply OK, where to go on, 0 at the end, n and seq ('>I4I6') of each delivery of Publish, and of
--          each of Enqueue that this step has come upon; NOTFOUND
-- show     how many, followed by n and seq of each
--          Reply OK, time, and for each, as far as one call may: id of the webhook, or empty if it is not
--          there, and what deliveries.lua answers, 0 if it is not there, or an empty text if it cannot be read

local what, merchant = arg(), arg()
if what == 'find' then
  local el, _, published = head_of(KEYS[2])
  if not el then return fail('NOTFOUND') end
  if byte(el, 7) < 8 then return { 'OK', '0', published, '' } end -- Nothing of it was enqueued.
  local found, E = call('HSCAN', key('m', esc(merchant)), arg(), 'COUNT', 100), string.match(KEYS[2], ':[^:]*$')
  local names, enqueued = {}, {}
  for i = 2, #found[2], 2 do names[#names + 1] = found[2][i] .. E end
  for i, all in ipairs(#names > 0 and call('HMGET', P .. 'j', unpack(names)) or {}) do
    for at = 9, #(all or '') - 5, 14 do enqueued[#enqueued + 1] = spack('>I4', found[2][2 * i]) .. sub(all, at, at + 5) end
  end
  return { 'OK', found[1], published, table.concat(enqueued) }
end

local function show(n, seq)
  local t = state_of(n, call('HGET', T, n))
  local where, s = locate(t, seq)
  if not where then return 0 end
  work = work + #s / 500
  return shown(t, seq, where, brief(where, s))
end

local reply = { 'OK', now }
for _ = 1, num() do
  if work >= BUSY then break end
  local n, seq = arg(), num()
  local id, fine, out = id_of(n), pcall(show, n, seq)
  if not fine then out = '' end
  work = work + 1
  reply[#reply + 1], reply[#reply + 2] = id or '', out
end
return reply
