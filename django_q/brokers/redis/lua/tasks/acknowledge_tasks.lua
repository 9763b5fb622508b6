-- ARGV: receipts. Ends the deliveries. Returns the receipts that are stale.
local numbers, _, stale = split_tasks(1)
if #numbers == 0 then return stale end
local before, all = next_task_time(), read_all_terms(numbers)
check_task_removal()
check_task_addition()
keep_keys(all)
remove_tasks(numbers, all, {task_leases})
wake_for_tasks(next_task_time(), before, math.huge) -- for a task that was held
return stale
