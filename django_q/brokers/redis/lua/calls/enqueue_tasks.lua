-- KEYS: those of the queue, further keys that calls name by their place. ARGV: max_wait (see
-- enqueue_delayed.lua), the place of a mark (0: none), seconds after which it expires; then a
-- payload and the terms of a call, for each task. Enqueues those whose keys no other task has.
-- Returns for each call: the id of the task that stands for it, 1 if that is a new one or else 0,
-- the version with which another one may be replaced. Nothing when the mark exists already. The mark
-- is set where a task was enqueued.
local max_wait, mark = tonumber(ARGV[1]), KEYS[tonumber(ARGV[2])]
if mark and redis.call('EXISTS', mark) == 1 then return false end

local calls, earliest, has_keys = {}, math.huge, false
local is_used = {[ready] = false, [delayed] = false}
for i = 4, #ARGV, 2 do
  local asked = read_call(ARGV[i + 1])
  local is_due = asked.due <= now
  calls[#calls + 1], asked.payload = asked, ARGV[i]
  asked.place = is_due and ready or delayed
  is_used[asked.place] = true
  earliest = math.min(earliest, is_due and 0 or asked.due)
  has_keys = has_keys or asked.unique ~= ''
end

-- Show that what follows will not be refused; see error_wrapper.lua. No removal shows it: a server
-- without memory must refuse this script. The first ZADD, SET and HSET show it of the others.
local before = next_task_time()
for set, is_needed in pairs(is_used) do
  if is_needed then redis.call('ZRANGE', set, 0, 0) end
end
redis.call('HGET', tasks, '')
redis.call('HGET', terms, '')
if has_keys then
  redis.call('HGET', task_tries, '')
  redis.call('ZMSCORE', held, '')
end
for i = 16, #KEYS do redis.call('GET', KEYS[i]) end

local number

local function add(asked, must_wait)
  if not number then
    set_alarm(earliest)
    number = next_ids(#calls)
  end
  local name = string.format('%016.0f', number)
  number = number + 1
  if asked.unique == '' then
    redis.call('HSET', terms, name, asked.text, 'task:' .. asked.task_id, name)
  else
    local key = (must_wait and 'next:' or 'unique:') .. asked.unique
    redis.call('HSET', terms, name, asked.text, 'task:' .. asked.task_id, name, key, name)
  end
  if must_wait then
    redis.call('ZADD', held, string.format('%.0f', asked.due), name)
  elseif asked.place == ready then
    redis.call('ZADD', ready, -asked.priority, name)
  else
    redis.call('ZADD', delayed, string.format('%.0f', asked.due), name)
  end
  redis.call('HSET', tasks, name, asked.payload)
  if asked.idempotency_key and asked.idempotency_for ~= '' then
    redis.call('SET', asked.idempotency_key, asked.task_id, 'PX', asked.idempotency_for)
  end
end

local reply = {}
for _, asked in ipairs(calls) do
  local task_id, version = find_duplicate(asked)
  if not task_id then add(asked, version) end
  reply[#reply + 1] = task_id or asked.task_id
  reply[#reply + 1] = task_id and 0 or 1
  reply[#reply + 1] = task_id and version or ''
end
if mark and number then redis.call('SET', mark, '', 'EX', ARGV[3]) end
if number then wake_for_tasks(earliest, before, max_wait) end
return reply
