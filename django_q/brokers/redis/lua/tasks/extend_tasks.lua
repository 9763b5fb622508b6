-- ARGV: microseconds from now, max_wait, receipts. Lets the leases end then.
-- Returns the receipts that are stale.
local deadline = now + tonumber(ARGV[1])
local numbers, _, stale = split_tasks(3)
if #numbers == 0 then return stale end
local last, before = tonumber(redis.call('GET', clock) or 0), next_task_time()
redis.call('ZREM', task_leases, '')
redis.call('ZADD', task_leases, 'NX', 'inf', PLACEHOLDER_MEMBER)
if now > last then save_clock() end -- see extend.lua
for _, number in ipairs(numbers) do
  redis.call('ZADD', task_leases, string.format('%.0f', deadline), number)
end
wake_for_tasks(deadline, before, tonumber(ARGV[2]))
return stale
