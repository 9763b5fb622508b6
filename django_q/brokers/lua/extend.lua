-- ARGV: microseconds, patience of those who wait, receipts. Lets the leases end at another time.
-- Returns the stale ones.
local deadline = now + tonumber(ARGV[1])
local ids, _, stale = sort(3)
for _, id in ipairs(ids) do
  redis.call('ZADD', leases, string.format('%.0f', deadline), id)
end
if #ids > 0 then
  -- Not a time before: it is for take.lua to find that the clock was set back.
  if now > tonumber(redis.call('GET', clock) or 0) then note_time() end
  wake(deadline, tonumber(ARGV[2]))
end
return stale
