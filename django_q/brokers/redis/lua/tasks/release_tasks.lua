-- ARGV: microseconds until they may be delivered again, max_wait, 1 if they count as attempts or
-- else 0, receipts. Releases deliveries. Returns the receipts that are stale.
local delay, counts = tonumber(ARGV[1]), ARGV[3] == '1'
local numbers, states, stale = split_tasks(4)
if #numbers == 0 then return stale end
local before, texts = next_task_time(), read_fields(terms, numbers)
check_task_removal()
check_task_addition()
for i, number in ipairs(numbers) do
  local its = read_terms(texts[i])
  local fence, attempt = parse_state(states[i])
  save_task_state(number, string.format('%d-%d', fence + 1, counts and attempt or attempt - 1))
  place_task(number, now + delay, its and its.priority or 0)
end
call_in_chunks('ZREM', task_leases, numbers)
wake_for_tasks(now + delay, before, tonumber(ARGV[2]))
return stale
