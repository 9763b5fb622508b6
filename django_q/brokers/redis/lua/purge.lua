-- Deletes the payloads that nobody holds: the list, those whose lease has ended, delayed ones.
-- Returns 1 if there were any on the list, else 0.

-- Add those whose state says that they were never an attempt.
local function add_unattempted(found, numbers, states)
  for i, number in ipairs(numbers) do
    local is_payload = number ~= PLACEHOLDER_MEMBER
    if is_payload and string.match(states[i] or '0-0', '^%d+%-0+$') then
      found[#found + 1] = number
    end
  end
end

local ids = redis.call('ZRANGEBYSCORE', leases, '-inf', now)
local noted = redis.call('HGETALL', tries)
local noted_ids, states = {}, {}
for i = 1, #noted, 2 do
  if string.match(noted[i], '^%d+$') then
    noted_ids[#noted_ids + 1], states[#states + 1] = noted[i], noted[i + 1]
  end
end
add_unattempted(ids, noted_ids, states)
local waiting = redis.call('LLEN', queue)

local numbers = {}
for _, set in ipairs({task_leases, delayed}) do
  for _, number in ipairs(redis.call('ZRANGEBYSCORE', set, '-inf', now)) do
    if number ~= PLACEHOLDER_MEMBER then numbers[#numbers + 1] = number end
  end
end
for _, set in ipairs({ready, held}) do
  for _, number in ipairs(redis.call('ZRANGE', set, 0, -1)) do numbers[#numbers + 1] = number end
end
local later = redis.call('ZRANGEBYSCORE', delayed, '(' .. string.format('%.0f', now), '+inf')
add_unattempted(numbers, later, read_fields(task_tries, later))

redis.call('LTRIM', queue, 0, -1)
check_removal()
if #numbers > 0 then
  check_task_removal()
  check_task_addition()
  remove_tasks(numbers, read_all_terms(numbers), {task_leases, ready, delayed, held})
end
remove_deliveries(ids)
redis.call('LTRIM', queue, 1, 0)
return math.min(waiting, 1)
