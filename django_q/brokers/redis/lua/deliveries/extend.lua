-- ARGV: microseconds from now, max_wait, receipts. Lets the leases end then.
-- Returns the receipts that are stale.
local deadline = now + tonumber(ARGV[1])
local ids, _, stale = split_receipts(3)
if #ids > 0 then
  local last = tonumber(redis.call('GET', clock) or 0)
  redis.call('ZREM', leases, '')
  redis.call('ZADD', leases, 'inf', PLACEHOLDER_MEMBER)
  -- Never an earlier time: take.lua must find that the clock was set back.
  if now > last then save_clock() end
  for _, id in ipairs(ids) do
    redis.call('ZADD', leases, string.format('%.0f', deadline), id)
  end
  wake_waiting(deadline, tonumber(ARGV[2]))
end
return stale
