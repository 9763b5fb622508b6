-- ARGV: payload, microseconds until it may be delivered, patience of those who wait.
-- Returns the id.
try_addition() -- no removal before it: a server that is out of memory is to refuse
local id = string.format('%.0f', number(1))
local deadline = now + tonumber(ARGV[2])
redis.call('HSET', running, id, ARGV[1])
note(id, '0-0')
redis.call('ZADD', leases, string.format('%.0f', deadline), id)
wake(deadline, tonumber(ARGV[3]))
return id
