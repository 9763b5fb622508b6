-- Returns the number of payloads that wait, and of those that are leased or delayed.
local due = redis.call('ZCOUNT', leases, '-inf', now)
local leased = redis.call('ZCOUNT', leases, now + 1, '(inf')
local waiting = redis.call('LLEN', queue)
-- An empty element, which only wakes those who wait, is pushed to an empty list: it is the first.
if redis.call('LINDEX', queue, 0) == '' then waiting = waiting - 1 end
return {waiting + due, leased}
