-- ARGV: payload, a receipt. Ends the delivery and moves the payload to the dead-letter list, unless
-- the receipt is stale. Returns 1 if it did, else 0.
if string.sub(ARGV[2], 1, 1) == 't' then
  local numbers = split_tasks(2)
  local all = read_all_terms(numbers)
  if numbers[1] then
    check_task_removal()
    check_task_addition()
    keep_keys(all)
    redis.call('RPUSH', dead, ARGV[1])
    remove_tasks(numbers, all, {task_leases})
  end
  return #numbers
end
local ids = split_receipts(2)
if ids[1] then
  redis.call('HGET', tries, '')
  check_removal()
  redis.call('RPUSH', dead, ARGV[1])
  remove_deliveries(ids)
end
return #ids
