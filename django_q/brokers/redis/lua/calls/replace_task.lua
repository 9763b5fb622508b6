-- ARGV: a version, max_wait, a payload, the terms of a call. Replaces payload and terms of a task
-- that nobody holds, unless it was taken or changed since. What earlier attempts have kept is of the
-- payload before. Returns 1 if it did, else 0.
local number, state, lapsed = string.match(ARGV[1], '^t(%d+)%.?([%d-]*)(%*?)$')
if not number or not redis.call('HGET', tasks, number) then return 0 end
local known, mark = unpack(redis.call('HMGET', task_tries, number, 'cancelled:' .. number))
if mark then return 0 end -- it is cancelled
known = known or ''
local ends = redis.call('ZMSCORE', task_leases, number)[1]
if known ~= state or (ends and '*' or '') ~= lapsed then return 0 end
if ends and tonumber(ends) > now then return 0 end

local asked, before = read_call(ARGV[4]), next_task_time()
local its = read_terms(redis.call('HGET', terms, number))
local is_held = redis.call('ZMSCORE', held, number)[1]
if asked.idempotency_key then redis.call('GET', asked.idempotency_key) end
check_task_removal()
check_task_addition()
if asked.idempotency_key and asked.idempotency_for ~= '' then
  redis.call('SET', asked.idempotency_key, asked.task_id, 'PX', asked.idempotency_for, 'NX')
end
remove_fences(task_tries, {number}, redis.call('HGET', task_tries, KEPT_MARK))
local fence = parse_state(known ~= '' and known or '0-0')
save_task_state(number, string.format('%d-0', fence + 1))
redis.call('HSET', terms, number, asked.text)
redis.call('HSET', tasks, number, ARGV[3])
if its and its.unique ~= asked.unique then
  if its.unique ~= '' then release_key(number, its) end
  if asked.unique ~= '' and not find_named('unique:' .. asked.unique) then
    redis.call('HSET', names, 'unique:' .. asked.unique, number)
  end
  is_held = false
end
if is_held then
  redis.call('ZADD', held, string.format('%.0f', asked.due), number)
  return 1
end
place_task(number, asked.due, asked.priority)
redis.call('ZREM', asked.due <= now and delayed or ready, number)
redis.call('ZREM', held, number)
redis.call('ZREM', task_leases, number)
wake_for_tasks(asked.due, before, tonumber(ARGV[2]))
return 1
