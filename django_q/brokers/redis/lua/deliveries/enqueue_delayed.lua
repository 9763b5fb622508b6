-- ARGV: payload, microseconds until it may be delivered, max_wait: the longest that those who wait
-- do not look at the leases. Returns the id.
check_addition() -- no removal before it: a server that is out of memory must refuse this
local id = string.format('%.0f', next_ids(1))
local deadline = now + tonumber(ARGV[2])
redis.call('HSET', running, id, ARGV[1])
save_state(id, '0-0')
redis.call('ZADD', leases, string.format('%.0f', deadline), id)
wake_waiting(deadline, tonumber(ARGV[3]))
return id
