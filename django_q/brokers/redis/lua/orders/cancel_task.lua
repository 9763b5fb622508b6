-- ARGV: the id of a task with terms, a mark. Marks the task as cancelled, unless it is marked already.
-- One that is not leased may be taken at once, before all others; its unique key becomes free, and it
-- does not wait for the task that has it. Returns 1 for that one, 2 for one that is leased, or has
-- lost its lease, and nothing when there is none.
local number = redis.call('HGET', names, 'task:' .. ARGV[1])
if not number or not redis.call('HGET', tasks, number) then return false end
local known, mark = unpack(redis.call('HMGET', task_tries, number, 'cancelled:' .. number))
local is_leased = redis.call('ZMSCORE', task_leases, number)[1]
local its, before = read_terms(redis.call('HGET', terms, number)), next_task_time()

check_task_removal()
check_task_addition()
if not mark then save_kept(task_tries, number, {'', '', ARGV[2]}) end
if is_leased then return 2 end
-- Who has seen it before, even in an earlier release, can not replace it any more.
local fence, attempt = parse_state(known or '0-0')
save_task_state(number, string.format('%d-%d', fence + 1, attempt))
place_cancelled(number)
if its and its.unique ~= '' then
  redis.call('HSET', terms, number, table.concat({
    its.priority, its.expires and string.format('%.0f', its.expires) or '', '', '', its.task_id,
  }, '|'))
  release_key(number, its)
end
redis.call('ZREM', delayed, number)
redis.call('ZREM', held, number)
wake_for_tasks(now, before, 0)
return 1
