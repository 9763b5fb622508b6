-- Returns how many payloads wait, and how many are leased or delayed.
local due = redis.call('ZCOUNT', leases, '-inf', now)
local leased = redis.call('ZCOUNT', leases, now + 1, '(inf')
local waiting = redis.call('LLEN', queue)
-- An element that only wakes is put into an empty queue: it is the first there is.
if redis.call('LINDEX', queue, 0) == '' then waiting = waiting - 1 end
return {waiting + due, leased}
