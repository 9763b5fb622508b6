-- ARGV: a receipt. Returns the payload; nothing when the receipt is stale.
if string.sub(ARGV[1], 1, 1) == 't' then
  local numbers = split_tasks(1)
  return numbers[1] and redis.call('HGET', tasks, numbers[1])
end
local ids = split_receipts(1)
return ids[1] and redis.call('HGET', running, ids[1])
