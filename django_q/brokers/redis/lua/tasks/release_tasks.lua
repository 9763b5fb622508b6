-- ARGV: microseconds until they may be delivered again, max_wait, 1 if they count as attempts or
-- else 0; what read_new_kept() reads; receipts. Releases deliveries, those that are cancelled without
-- a delay. Returns the receipts that are stale.
local delay, counts = tonumber(ARGV[1]), ARGV[3] == '1'
local new_kept, first = read_new_kept(4)
local numbers, states, stale = split_tasks(first)
if #numbers == 0 then return stale end
local before, texts = next_task_time(), read_fields(terms, numbers)
local kept, is_any_due = read_kept(task_tries, numbers), delay <= 0
check_task_removal()
check_task_addition()
for i, number in ipairs(numbers) do
  local its = read_terms(texts[i])
  local fence, attempt = parse_state(states[i])
  save_kept(task_tries, number, new_kept['t' .. receipt_of(number, states[i])])
  save_task_state(number, string.format('%d-%d', fence + 1, counts and attempt or attempt - 1))
  if kept[number] and kept[number][3] ~= '' then
    is_any_due = true
    place_cancelled(number)
  else
    place_task(number, now + delay, its and its.priority or 0)
  end
end
call_in_chunks('ZREM', task_leases, numbers)
wake_for_tasks(is_any_due and now or now + delay, before, tonumber(ARGV[2]))
return stale
