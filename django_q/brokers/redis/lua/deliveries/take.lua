-- KEYS[8]: the leases of tasks with terms, see tasks/task_prelude.lua; KEYS[9]: what holds the queue
-- back, see orders/orders_prelude.lua.
-- Returns the microseconds until the next lease ends (-1: there is none), deliveries whose
-- lease had ended (receipt, payload, attempt, what is kept), the id of the first new one, new
-- payloads, and the version of the notices.
-- Takes nothing where a task with terms may be taken, or there are such tasks and the clock was set
-- back, and returns -2: then take_tasks.lua takes. Nor does it where the queue is held back: see
-- read_control().
local task_leases = KEYS[8]
local next_task
if task_leases then
  local found = redis.call('ZRANGE', task_leases, 0, 0, 'WITHSCORES')
  next_task = found[2] and found[2] ~= 'inf' and tonumber(found[2])
  if next_task and next_task <= now then return {-2, {}, 0, {}, 0} end
end
local before_step = time_before_step()
if before_step and next_task then return {-2, {}, 0, {}, 0} end
if before_step then shift_leases({leases}, before_step) end
local count, version, held_reply = read_control(KEYS[9])
if held_reply and count == 0 then return {held_reply, {}, 0, {}, version} end
local due = nearest_lease_end()
local ids, payloads, states, kept = {}, {}, {}, {}
if due and due <= now then
  ids = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, count)
  payloads, states = read_fields(running, ids), read_fields(tries, ids)
  kept = read_kept(tries, ids)
end
local new, elements_read = read_new(count - #ids)
local first, redelivered = 0, {}

if #ids > 0 then
  check_removal()
  check_addition()
end
if elements_read > 0 then redis.call('LTRIM', queue, 0, -1) end
if #ids > 0 or #new > 0 then save_clock() end
if #new > 0 then
  first = next_ids(#new)
  redis.call('ZADD', leases, 'inf', PLACEHOLDER_MEMBER)
  lease_new(first, new)
end
if #ids > 0 then
  redelivered = lease_again(ids, payloads, states, kept)
  due = nearest_lease_end()
end
if elements_read > 0 then redis.call('LTRIM', queue, elements_read, -1) end
if next_task and (not due or next_task < due) then due = next_task end
return {due and math.max(due - now, 0) or -1, redelivered, first, new, version}
