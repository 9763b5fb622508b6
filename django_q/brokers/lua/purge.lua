-- Deletes what waits: the list, leases that have ended, and what is delayed.
local ids = redis.call('ZRANGEBYSCORE', leases, '-inf', now)
local states = redis.call('HGETALL', tries)
for i = 1, #states, 2 do
  if states[i] ~= GUARD and select(2, parse(states[i + 1])) == 0 then ids[#ids + 1] = states[i] end
end
forget(ids)
return redis.call('DEL', queue)
