-- KEYS: a hash of fences, the hash of its payloads. ARGV: a cursor, the fields to look at.
-- Removes what is kept of payloads that are no more: a cluster of an earlier release does not know of
-- it when it ends a task. Returns the next cursor, "0" at the end.
local fences, payloads = KEYS[1], KEYS[2]
-- In the usual case nothing is kept of any.
if ARGV[1] == '0' and redis.call('HGET', fences, 'kept') == false then return '0' end
redis.call('HLEN', fences)
local page = redis.call('HSCAN', fences, ARGV[1], 'COUNT', ARGV[2])
for i = 1, #page[2], 2 do
  local id = string.match(page[2][i], '^%l+:(%d+)$')
  if id and redis.call('HEXISTS', payloads, id) == 0 then redis.call('HDEL', fences, page[2][i]) end
end
if page[1] == '0' and redis.call('HLEN', fences) == 2 then redis.call('HDEL', fences, 'kept') end
return page[1]
