-- ARGV: a cursor, microseconds of a lease, payloads to look at. Puts payloads back that have no
-- lease: an earlier release has lost them where it was refused a command half-way. What is on the
-- list, or leased, under another number is dropped. Returns the next cursor, and how many were put
-- back.
if ARGV[1] == '0' and redis.call('HLEN', running) <= redis.call('ZCOUNT', leases, '-inf', '(inf') then
  return {'0', 0} -- as nearly always
end
local page = redis.call('HSCAN', running, ARGV[1], 'COUNT', ARGV[3])
local ids, payloads, lost, known = {}, {}, {}, {}
for i = 1, #page[2], 2 do ids[#ids + 1], payloads[page[2][i]] = page[2][i], page[2][i + 1] end
for from = 1, #ids, CHUNK do
  local some = {unpack(ids, from, math.min(from + CHUNK - 1, #ids))}
  for i, ends in ipairs(redis.call('ZMSCORE', leases, unpack(some))) do
    if not ends then lost[#lost + 1] = some[i] end
  end
end
if #lost == 0 then return {page[1], 0} end

-- Another copy is at the head of the list, or was taken from there lately.
for _, payload in ipairs(redis.call('LRANGE', queue, 0, 9999)) do known[payload] = true end
local upto = now + 2 * tonumber(ARGV[2])
local taken = redis.call('ZRANGEBYSCORE', leases, '-inf', upto, 'LIMIT', 0, 10000)
for _, payload in ipairs(values(running, taken)) do
  if payload then known[payload] = true end
end

-- The latest first, as each goes before the others.
table.sort(lost, function(one, other) return (tonumber(one) or 0) > (tonumber(other) or 0) end)
local back = {}
for _, id in ipairs(lost) do
  local payload = payloads[id]
  if not known[payload] then back[#back + 1] = payload end
  known[payload] = true
end
try_removal()
each('LPUSH', queue, back)
forget(lost)
return {page[1], #back}
