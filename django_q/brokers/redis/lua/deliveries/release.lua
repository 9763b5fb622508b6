-- ARGV: microseconds until they may be delivered again, patience of those who wait, 1 or 0: it
-- was an attempt, receipts. Hands deliveries back. Returns the stale ones.
local delay, patience, counts = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local ids, states, stale = sort(4)
if #ids == 0 then return stale end
local payloads = values(running, ids)
-- In their order, before all that is due at the same time. What is due at once is so by any clock
-- of the server's processors, whose times may differ.
local deadline = now + (delay > 0 and delay or -SLACK) - #ids
local back, gone, held = {}, {}, {}

for i = #ids, 1, -1 do
  local fence, attempt = parse(states[i])
  if not counts then attempt = attempt - 1 end
  if delay == 0 and attempt == 0 then
    gone[#gone + 1] = ids[i]
    if payloads[i] then back[#back + 1] = payloads[i] end
  else
    held[#held + 1] = {ids[i], string.format('%d-%d', fence + 1, attempt), deadline + i}
  end
end

try_removal()
if #held > 0 then try_addition() end
each('LPUSH', queue, back) -- where a cluster of Django Q finds them too
for _, each_held in ipairs(held) do
  local id, state, ends = unpack(each_held)
  note(id, state)
  redis.call('ZADD', leases, string.format('%.0f', ends), id)
end
forget(gone)
wake(deadline + 1, patience)
return stale
