-- Put behind prelude.lua before scripts for tasks with terms. Clusters of earlier releases take from
-- the list beside this one, and never look at these keys of a queue:
local task_leases = KEYS[8]  -- sorted set: number -> end of the lease; and see set_alarm()
local tasks = KEYS[9]        -- hash: number -> payload, of each unfinished task with terms
local terms = KEYS[10]       -- hash: number -> terms, see read_terms(), and these names:
local names = terms          -- "task:ID", "unique:KEY", "next:KEY" -> number. It holds while the
                             -- number is in `tasks`; "next" is the one that is held.
local ready = KEYS[11]       -- sorted set: number -> minus the priority, of what may be taken
local delayed = KEYS[12]     -- sorted set: number -> when it becomes ready
local held = KEYS[13]        -- sorted set: the same, of what waits for the end of another task
local task_tries = KEYS[14]  -- hash: number -> "fence-attempt", for all but first deliveries; and
                             -- KEPT_NAMES
local takes = KEYS[15]       -- how many takes have found something

-- Numbers have 16 digits and grow, so members of one score sort by age. A receipt is "t" and the
-- number of a first delivery, and "tNUMBER.fence-attempt" of any other.

-- The score in `ready` of tasks that are cancelled: before all priorities.
local CANCELLED_SCORE = -1000

-- Read a text of terms. Returns nothing where it can not be read: then the task counts as a plain
-- one.
local function read_terms(text)
  local priority, expires, unique, unique_for, task_id =
    string.match(text or '', '^(%-?%d+)|(%d*)|([^|]*)|(%d*)|(.+)$')
  if not priority then return nil end
  return {
    priority = tonumber(priority), expires = tonumber(expires), unique = unique,
    unique_for = unique_for, task_id = task_id,
  }
end

-- Let the next take look at tasks with terms at this time, or before. The placeholder has the
-- earliest such time, so one look at `task_leases` tells a take whether there may be any. Too early
-- a time is harmless.
local function set_alarm(time)
  redis.call('ZADD', task_leases, 'LT', string.format('%.0f', time), PLACEHOLDER_MEMBER)
end

-- Return the time of the next look, or of the end of the next lease; infinite where none is due.
local function next_task_time()
  local found = redis.call('ZRANGE', task_leases, 0, 0, 'WITHSCORES')
  return found[2] and found[2] ~= 'inf' and tonumber(found[2]) or math.huge
end

-- Remove nothing from each key, and read as remove_tasks() does: see error_wrapper.lua.
local function check_task_removal()
  redis.call('HLEN', task_tries)
  redis.call('HGET', terms, '')
  redis.call('ZMSCORE', held, '')
  redis.call('ZRANGE', held, 0, 0)
  for _, set in ipairs({task_leases, ready, delayed, held}) do redis.call('ZREM', set, '') end
  for _, hash in ipairs({tasks, terms, task_tries}) do redis.call('HDEL', hash, '') end
end

-- Add placeholders, which may be there already: see error_wrapper.lua.
local function check_task_addition()
  redis.call('ZADD', task_leases, 'NX', 'inf', PLACEHOLDER_MEMBER)
  redis.call('HSET', task_tries, PLACEHOLDER_MEMBER, '')
end

-- Split the receipts from ARGV[first] on. Returns the numbers and states of deliveries that are
-- held, and the receipts that are stale.
local function split_tasks(first)
  local found, states, stale = {}, {}, {}
  local all_first = redis.call('HLEN', task_tries) <= 1
  for from = first, #ARGV, MAX_COMMAND_VALUES do
    local numbers, claimed, known = {}, {}, {}
    for i = from, math.min(from + MAX_COMMAND_VALUES - 1, #ARGV) do
      local number, state = string.match(ARGV[i], '^t(%d+)%.?(.*)$')
      numbers[#numbers + 1], claimed[#claimed + 1] = number or '', state or ''
    end
    if not all_first then known = redis.call('HMGET', task_tries, unpack(numbers)) end
    for i, ends in ipairs(redis.call('ZMSCORE', task_leases, unpack(numbers))) do
      if ends and (known[i] or '') == claimed[i] then
        found[#found + 1], states[#found + 1] = numbers[i], known[i] or '0-1'
      else
        stale[#stale + 1] = ARGV[from + i - 1]
      end
    end
  end
  return found, states, stale
end

local function save_task_state(number, state)
  redis.call('HSET', task_tries, number, state, PLACEHOLDER_MEMBER, '')
end

-- Put a task where it may be taken, or will be from its time on.
local function place_task(number, due, priority)
  if due <= now then
    set_alarm(0)
    redis.call('ZADD', ready, -priority, number)
  else
    set_alarm(due)
    redis.call('ZADD', delayed, string.format('%.0f', due), number)
  end
end

-- Let a task be taken before all others, as it is cancelled.
local function place_cancelled(number)
  set_alarm(0)
  redis.call('ZADD', ready, CANCELLED_SCORE, number)
end

-- Let a task be taken that was held.
local function unhold_task(number, its)
  local due = redis.call('ZMSCORE', held, number)[1]
  place_task(number, tonumber(due or 0), its and its.priority or 0)
  redis.call('ZREM', held, number)
end

-- Wake those who wait if a task may be taken before they look again. `before` is when they would
-- have done so, as next_task_time() was. A refusal here does no harm: see wake_waiting().
local function wake_for_tasks(deadline, before, max_wait)
  if deadline > now and (deadline >= before or deadline - now >= max_wait) then return end
  if redis.pcall('EXISTS', queue) == 0 then redis.pcall('RPUSH', queue, '') end
end

-- Take a unique key from a task that is no more, and give it to the one that is held.
local function release_key(number, its)
  local key, next_key = 'unique:' .. its.unique, 'next:' .. its.unique
  local owner, successor = unpack(redis.call('HMGET', names, key, next_key))
  if successor == number then
    redis.call('HDEL', names, next_key)
  elseif owner == number then
    if successor and redis.call('HGET', tasks, successor) then
      redis.call('HSET', names, key, successor)
      unhold_task(successor, read_terms(redis.call('HGET', terms, successor)))
      redis.call('HDEL', names, next_key)
    else
      redis.call('HDEL', names, key, next_key)
    end
  end
end

-- Let tasks be taken that wait for one that is no more: its terms could not be read.
local function unhold_orphans()
  for _, number in ipairs(redis.call('ZRANGE', held, 0, MAX_COMMAND_VALUES - 1)) do
    local its = read_terms(redis.call('HGET', terms, number))
    local key = its and 'unique:' .. its.unique
    local owner = its and redis.call('HGET', names, key)
    if not owner or not redis.call('HGET', tasks, owner) then
      if its then redis.call('HSET', names, key, number) end
      unhold_task(number, its)
      if its then redis.call('HDEL', names, 'next:' .. its.unique) end
    end
  end
end

-- Read the terms of many tasks; false for those that can not be read.
local function read_all_terms(numbers)
  local all = {}
  for i, text in ipairs(read_fields(terms, numbers)) do all[i] = read_terms(text) or false end
  return all
end

-- Let the unique keys of tasks that have ended stay taken for the time that their terms say. The
-- first change of a script, as SET may be refused.
local function keep_keys(all)
  for _, its in ipairs(all) do
    if its and its.unique ~= '' and its.unique_for ~= '' then
      redis.call('SET', queue .. ':kept:' .. its.unique, its.task_id, 'PX', its.unique_for)
    end
  end
end

-- Remove tasks from all hashes, and from these sorted sets. Their names become free.
local function remove_tasks(numbers, all, sets)
  local fields, own_fields, is_damaged = {}, {}, false
  for i, its in ipairs(all) do
    is_damaged = is_damaged or not its
    fields[i] = its and 'task:' .. its.task_id or ''
  end
  for i, owner in ipairs(read_fields(names, fields)) do
    if owner == numbers[i] then own_fields[#own_fields + 1] = fields[i] end
  end
  for i, its in ipairs(all) do
    if its and its.unique ~= '' then release_key(numbers[i], its) end
  end
  call_in_chunks('HDEL', tasks, numbers)
  if is_damaged then unhold_orphans() end
  if redis.call('HLEN', task_tries) > 1 then
    remove_fences(task_tries, numbers, redis.call('HGET', task_tries, KEPT_MARK))
  end
  for _, number in ipairs(numbers) do own_fields[#own_fields + 1] = number end
  call_in_chunks('HDEL', terms, own_fields)
  for _, set in ipairs(sets) do call_in_chunks('ZREM', set, numbers) end
end
