-- Enqueues one task with terms, in fewer commands than enqueue_tasks.lua, unless a key that it asks
-- for may be taken. ARGV: payload, id, its text for read_terms(), minus the priority, when it is due
-- ('': now, '+N': microseconds from now, or a time), max_wait (see enqueue_delayed.lua),
-- microseconds until it expires (none: the text says it), digest of its unique key or none,
-- milliseconds for which its idempotency key is kept or none.
-- Returns 1; 0 where it has changed nothing, and enqueue_tasks.lua must tell which task has the key.
local queue, sequence, task_leases = KEYS[1], KEYS[2], KEYS[3]
local tasks, terms = KEYS[4], KEYS[5] -- see task_prelude.lua
local place = KEYS[6] -- what is ready, or delayed where a time is given
local kept = KEYS[7]  -- of its unique or idempotency key, if any

local payload, task_id, text, score, due, max_wait, expires_in, unique, kept_for = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

if kept and redis.call('GET', kept) then return 0 end
local has_key = unique and unique ~= ''
if has_key then
  -- Two commands, as a user who enqueues has no right to HMGET.
  if redis.call('HGET', terms, 'next:' .. unique) then return 0 end
  if redis.call('HGET', terms, 'unique:' .. unique) then return 0 end
end
if expires_in and expires_in ~= '' then
  local expires = math.max(now + tonumber(expires_in), 0)
  text = string.gsub(text, '|', string.format('|%.0f', expires), 1)
end
local alarm = 0
if due ~= '' then
  alarm = math.max(tonumber(due) + (string.sub(due, 1, 1) == '+' and now or 0), now)
  score = string.format('%.0f', alarm)
end

-- What may be refused comes in an order in which it harms nothing; see error_wrapper.lua. First a
-- number that nobody will have, as next_ids() gives it, and too early a time for the next look: both
-- are harmless.
local number = string.format('%016.0f', now + 1)
local last = tonumber(redis.call('SET', sequence, number, 'GET') or 0)
if last > now then
  number = string.format('%016.0f', last + 1)
  redis.call('SET', sequence, number)
end
local member = '-----------------------------------------------------------------'
local is_first = redis.call('ZADD', task_leases, 'LT', 'CH', string.format('%.0f', alarm), member)

-- Then what means nothing while its number has no terms.
local done, refusal = pcall(function()
  redis.call('ZADD', place, score, number)
  redis.call('HSET', tasks, number, payload)
  if has_key then
    local key = 'unique:' .. unique
    redis.call('HSET', terms, number, text, 'task:' .. task_id, number, key, number)
  else
    redis.call('HSET', terms, number, text, 'task:' .. task_id, number)
  end
end)
if not done then -- a key is of another type, as nothing but that is left to be refused
  redis.pcall('HDEL', tasks, number)
  redis.pcall('ZREM', place, number)
  error(refusal, 0)
end
if kept_for then redis.call('SET', kept, task_id, 'PX', kept_for) end

-- As wake_for_tasks() does; a look that was to come later than this one has come first now.
if alarm <= now or (is_first == 1 and alarm - now < tonumber(max_wait)) then
  if redis.pcall('EXISTS', queue) == 0 then redis.pcall('RPUSH', queue, '') end
end
return 1
