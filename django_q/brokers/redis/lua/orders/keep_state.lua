-- ARGV: what read_new_kept() reads, receipts, of plain deliveries or of tasks with terms. Keeps texts
-- beside their payloads. Returns the receipts that are stale.
-- It begins with what adds: a server that is out of memory must refuse it.
local new_kept, first = read_new_kept(1)
if string.sub(ARGV[first] or '', 1, 1) == 't' then
  local numbers, states, stale = split_tasks(first)
  for i, number in ipairs(numbers) do
    save_kept(task_tries, number, new_kept['t' .. receipt_of(number, states[i])])
  end
  return stale
end
local ids, states, stale = split_receipts(first)
for i, id in ipairs(ids) do save_kept(tries, id, new_kept[receipt_of(id, states[i])]) end
return stale
