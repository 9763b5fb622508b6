-- KEYS: those of the queue, further keys that calls name by their place. ARGV: max_wait (see
-- enqueue_delayed.lua), the place of a mark (0: none), seconds after which it expires; then a
-- payload and the terms of a call, for each task. Enqueues those whose keys no other task has.
-- Returns for each call: the id of the task that stands for it, 1 if that is a new one or else 0,
-- the version with which another one may be replaced. Nothing when the mark exists already.
local max_wait, mark = tonumber(ARGV[1]), KEYS[tonumber(ARGV[2])]
if mark and redis.call('EXISTS', mark) == 1 then return false end

-- Each key is of its type. No removal shows it: a server out of memory must refuse this script.
local before = next_task_time()
for _, set in ipairs({ready, delayed, held}) do redis.call('ZRANGE', set, 0, 0) end
for _, hash in ipairs({tasks, terms, task_tries, names}) do redis.call('HGET', hash, '') end
redis.call('ZMSCORE', held, '')
for i = 17, #KEYS do redis.call('GET', KEYS[i]) end

local number, earliest = nil, math.huge

local function add(payload, asked, must_wait)
  if not number then
    check_task_addition()
    number = next_ids((#ARGV - 3) / 2) -- SET is permitted, too
  end
  local name = string.format('%016.0f', number)
  number = number + 1
  if must_wait then
    redis.call('ZADD', held, string.format('%.0f', asked.due), name)
  elseif asked.due <= now then
    redis.call('ZADD', ready, -asked.priority, name)
    earliest = 0
  else
    redis.call('ZADD', delayed, string.format('%.0f', asked.due), name)
    earliest = math.min(earliest, asked.due)
  end
  redis.call('HSET', terms, name, asked.text)
  redis.call('HSET', names, 'task:' .. asked.task_id, name)
  if asked.unique ~= '' then
    redis.call('HSET', names, (must_wait and 'next:' or 'unique:') .. asked.unique, name)
  end
  redis.call('HSET', tasks, name, payload)
  if asked.idempotency_key and asked.idempotency_for ~= '' then
    redis.call('SET', asked.idempotency_key, asked.task_id, 'PX', asked.idempotency_for)
  end
end

local reply = {}
for i = 4, #ARGV, 2 do
  local asked = read_call(ARGV[i + 1])
  local task_id, version = find_duplicate(asked)
  if not task_id then add(ARGV[i], asked, version) end
  reply[#reply + 1] = task_id or asked.task_id
  reply[#reply + 1] = task_id and 0 or 1
  reply[#reply + 1] = task_id and version or ''
end
if mark then redis.call('SET', mark, '', 'EX', ARGV[3]) end
if earliest < math.huge then
  set_alarm(earliest)
  wake_for_tasks(earliest, before, max_wait)
end
return reply
