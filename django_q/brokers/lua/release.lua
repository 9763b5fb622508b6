-- ARGV: microseconds until they may be delivered again, patience of those who wait, 1 or 0: it
-- was an attempt, receipts. Hands deliveries back. Returns the stale ones.
local delay, patience, counts = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local ids, states, stale = sort(4)
-- In their order, before all that is due at the same time.
local deadline = now + delay - #ids

-- Back to the list, where a cluster of Django Q finds it too.
local function put_back(id)
  redis.call('LPUSH', queue, redis.call('HGET', running, id))
  forget({id})
end

for i = #ids, 1, -1 do
  local fence, attempt = parse(states[i])
  if not counts then attempt = attempt - 1 end
  if delay == 0 and attempt == 0 then
    put_back(ids[i])
  else
    note(ids[i], string.format('%d-%d', fence + 1, attempt))
    redis.call('ZADD', leases, string.format('%.0f', deadline + i), ids[i])
  end
end
if #ids > 0 then wake(deadline + 1, patience) end
return stale
