-- Deletes the payloads that nobody holds: the list, those whose lease has ended, delayed ones.
-- Returns 1 if there were any on the list, else 0.
local ids = redis.call('ZRANGEBYSCORE', leases, '-inf', now)
local states = redis.call('HGETALL', tries)
for i = 1, #states, 2 do
  local is_payload = states[i] ~= PLACEHOLDER_MEMBER
  if is_payload and select(2, parse_state(states[i + 1])) == 0 then ids[#ids + 1] = states[i] end
end
local waiting = redis.call('LLEN', queue)
redis.call('LTRIM', queue, 0, -1)
remove_deliveries(ids)
redis.call('LTRIM', queue, 1, 0)
return math.min(waiting, 1)
