-- ARGV: microseconds, patience of those who wait, receipts. Lets the leases end at another time.
-- Returns the stale ones.
local deadline = now + tonumber(ARGV[1])
local ids, _, stale = sort(3)
if #ids > 0 then
  local last = tonumber(redis.call('GET', clock) or 0)
  redis.call('ZREM', leases, '')
  redis.call('ZADD', leases, 'inf', GUARD)
  -- Not a time before: it is for take.lua to find that the clock was set back.
  if now > last then note_time() end
  for _, id in ipairs(ids) do
    redis.call('ZADD', leases, string.format('%.0f', deadline), id)
  end
  wake(deadline, tonumber(ARGV[2]))
end
return stale
