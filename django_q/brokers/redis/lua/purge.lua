-- Deletes what waits: the list, leases that have ended, and what is delayed.
local ids = redis.call('ZRANGEBYSCORE', leases, '-inf', now)
local states = redis.call('HGETALL', tries)
for i = 1, #states, 2 do
  if states[i] ~= GUARD and select(2, parse(states[i + 1])) == 0 then ids[#ids + 1] = states[i] end
end
local waiting = redis.call('LLEN', queue)
redis.call('LTRIM', queue, 0, -1)
forget(ids)
redis.call('LTRIM', queue, 1, 0)
return math.min(waiting, 1)
