-- Put behind task_prelude.lua before scripts that are given terms.

-- Read the terms of a call, see terms.py. Times are absolute from here on.
local function read_call(text)
  local priority, due_at, delay, expires_at, expires_in, unique, unique_for, is_successor,
    idempotency_for, idempotency_key, unique_key, task_id = string.match(text,
      '^(%-?%d+)|(%d*)|(%d*)|(%d*)|(%-?%d*)|([^|]*)|(%d*)|(%d)|(%d*)|(%d*)|(%d*)|(.+)$')
  local expires = tonumber(expires_at)
  if not expires and expires_in ~= '' then expires = math.max(now + tonumber(expires_in), 0) end
  return {
    priority = tonumber(priority), due = math.max(tonumber(due_at) or now + tonumber(delay), now),
    unique = unique, is_successor = is_successor == '1', task_id = task_id,
    idempotency_key = KEYS[tonumber(idempotency_key)], idempotency_for = idempotency_for,
    unique_key = KEYS[tonumber(unique_key)],
    -- What read_terms() reads.
    text = table.concat({
      priority, expires and string.format('%.0f', expires) or '', unique, unique_for, task_id,
    }, '|'),
  }
end

-- Return the terms of the task that has a name, and its number; nothing where none has it.
local function find_named(name)
  local number = redis.call('HGET', names, name)
  if not number or not redis.call('HGET', tasks, number) then return nil end
  return read_terms(redis.call('HGET', terms, number)), number
end

-- Return what replace_task.lua is given to replace a task: its receipt, and '*' for one whose lease
-- has ended.
local function version_of(number, lease_end)
  local state = redis.call('HGET', task_tries, number)
  return 't' .. number .. (state and '.' .. state or '') .. (lease_end and '*' or '')
end

-- Return whether a task that nobody holds may be replaced: none that is cancelled.
local function is_replaceable(number, lease_end)
  if lease_end and tonumber(lease_end) > now then return false end
  return not redis.call('HGET', task_tries, 'cancelled:' .. number)
end

-- Find what keeps a task of this call from being enqueued. Returns its id, and its version where it
-- may be replaced. Without any: true where it must wait for the end of another task.
local function find_duplicate(asked)
  local task_id = asked.idempotency_key and redis.call('GET', asked.idempotency_key)
  if task_id then return task_id, '' end
  if asked.unique == '' then return nil, false end
  local its, number = find_named('next:' .. asked.unique)
  if its then return its.task_id, version_of(number) end
  its, number = find_named('unique:' .. asked.unique)
  local ends = its and redis.call('ZMSCORE', task_leases, number)[1]
  if its and is_replaceable(number, ends) then return its.task_id, version_of(number, ends) end
  if its and not asked.is_successor then return its.task_id, '' end
  task_id = asked.unique_key and redis.call('GET', asked.unique_key)
  if task_id then return task_id, '' end
  return nil, its ~= nil
end
