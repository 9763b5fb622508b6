-- ARGV: a receipt, or an id. Deletes the payload even while it is leased. Returns how many
-- were deleted.
local number = string.match(ARGV[1], '^t(%d+)')
if number then
  local found = redis.call('HGET', tasks, number) and 1 or 0
  check_task_removal()
  check_task_addition()
  remove_tasks({number}, read_all_terms({number}), {task_leases, ready, delayed, held})
  return found
end
local id = string.match(ARGV[1], '^%d+') or ''
local found = redis.call('HEXISTS', running, id)
remove_deliveries({id})
return found
