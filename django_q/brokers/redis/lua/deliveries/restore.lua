-- ARGV: a cursor, microseconds of a lease, number of payloads to check. Puts payloads without a
-- lease back on the list: an earlier release left them where a command was refused in the middle of
-- a script. A payload that is on the list or leased under another id is deleted instead. Returns
-- the next cursor, and how many were put back.
if ARGV[1] == '0'
  and redis.call('HLEN', running) <= redis.call('ZCOUNT', leases, '-inf', '(inf') then
  return {'0', 0} -- the usual case
end
local page = redis.call('HSCAN', running, ARGV[1], 'COUNT', ARGV[3])
local ids, payloads, lost_ids, known_payloads = {}, {}, {}, {}
for i = 1, #page[2], 2 do ids[#ids + 1], payloads[page[2][i]] = page[2][i], page[2][i + 1] end
for from = 1, #ids, MAX_COMMAND_VALUES do
  local chunk = {unpack(ids, from, math.min(from + MAX_COMMAND_VALUES - 1, #ids))}
  for i, ends in ipairs(redis.call('ZMSCORE', leases, unpack(chunk))) do
    if not ends then lost_ids[#lost_ids + 1] = chunk[i] end
  end
end
if #lost_ids == 0 then return {page[1], 0} end

-- If there is another copy, it is near the head of the list, or was taken from there recently.
for _, payload in ipairs(redis.call('LRANGE', queue, 0, 9999)) do known_payloads[payload] = true end
local upto = now + 2 * tonumber(ARGV[2])
local taken = redis.call('ZRANGEBYSCORE', leases, '-inf', upto, 'LIMIT', 0, 10000)
for _, payload in ipairs(read_fields(running, taken)) do
  if payload then known_payloads[payload] = true end
end

-- The latest first: each is pushed before the others.
table.sort(lost_ids, function(one, other) return (tonumber(one) or 0) > (tonumber(other) or 0) end)
local restored = {}
for _, id in ipairs(lost_ids) do
  local payload = payloads[id]
  if not known_payloads[payload] then restored[#restored + 1] = payload end
  known_payloads[payload] = true
end
redis.call('HGET', tries, '')
check_removal()
push_to_head(restored)
remove_deliveries(lost_ids)
return {page[1], #restored}
