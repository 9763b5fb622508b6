-- KEYS[16]: what holds the queue back, see orders/orders_prelude.lua. ARGV: see leasing.lua.
-- Takes tasks with terms and plain ones. First come those that are cancelled, in any case; all others
-- only where the queue is not held back. Of those, first come those whose lease was lost; then
-- priorities above 0; then the list and priority 0 in turn; then those below 0.
-- Returns the microseconds until there may be more to take (-1: never; less: see read_control()), the
-- version of the notices, and deliveries: receipt, payload, attempt, microseconds until it expires
-- ('': never), 1 if its terms can not be read or else 0, what is kept ('': nothing), for each.

-- The most tasks that become ready in one take, and of so many takes one begins with the oldest.
local MAX_READIED, OLDEST_FIRST_INTERVAL = 1000, 16
-- Whether any task with terms has a fence, and whether anything is kept of any.
local has_fences = redis.call('HLEN', task_tries) > 1
local has_kept = has_fences and redis.call('HGET', task_tries, KEPT_MARK)
-- The least score of tasks that are not known to be cancelled.
local first_score = has_kept and '(' .. CANCELLED_SCORE or '-inf'

-- Move what is due to what is ready. Those whose payload is no more are dropped.
local function ready_due()
  local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, MAX_READIED)
  if #due == 0 then return end
  local values = {}
  for i, its in ipairs(read_all_terms(due)) do
    values[#values + 1], values[#values + 2] = its and -its.priority or 0, due[i]
  end
  set_alarm(0)
  for from = 1, #values, MAX_COMMAND_VALUES do
    redis.call('ZADD', ready, unpack(values, from, math.min(from + MAX_COMMAND_VALUES - 1, #values)))
  end
  call_in_chunks('ZREM', delayed, due)
end

-- Read up to `count` numbers of priorities that are ready, without the one that is chosen already.
local function read_ready(lowest, highest, count, without)
  local found = {}
  if count <= 0 then return found end
  local numbers = redis.call('ZRANGEBYSCORE', ready, lowest, highest, 'LIMIT', 0, count + 1)
  for _, number in ipairs(numbers) do
    if number ~= without and #found < count then found[#found + 1] = number end
  end
  return found
end

-- Find the oldest of what is ready: the first of each priority is its oldest.
local function oldest_ready()
  local oldest
  local found =
    redis.call('ZRANGEBYSCORE', ready, first_score, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  while found[1] do
    if not oldest or found[1] < oldest then oldest = found[1] end
    found = redis.call('ZRANGEBYSCORE', ready, '(' .. found[2], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  end
  return oldest
end

-- Choose up to `count` of what nobody holds. Returns numbers of tasks and payloads of the list, as
-- {number = ...} or {payload = ...} in order, and the elements that were read of the list.
local function choose(count, turn)
  local chosen, new, elements_read, oldest = {}, {}, 0, nil
  if count > 0 and turn % OLDEST_FIRST_INTERVAL == OLDEST_FIRST_INTERVAL - 1 then
    -- Nobody knows the age of a plain task, so the list comes first every other time.
    if turn % (2 * OLDEST_FIRST_INTERVAL) < OLDEST_FIRST_INTERVAL then
      new, elements_read = read_new(1)
    end
    if new[1] then
      chosen[1] = {payload = new[1]}
    else
      oldest = oldest_ready()
      chosen[1] = oldest and {number = oldest}
    end
    count = count - #chosen
  end

  local high = read_ready(first_score, '(0', count, oldest)
  for _, number in ipairs(high) do chosen[#chosen + 1] = {number = number} end
  count = count - #high
  local zero = read_ready(0, 0, count, oldest)
  local share = math.floor((count + turn % 2) / 2)
  new, elements_read = read_new(math.max(share, count - #zero), elements_read)
  local from_list, i, j = turn % 2 == 1, 1, 1
  while i + j - 2 < count and (i <= #zero or j <= #new) do
    if j <= #new and (from_list or i > #zero) then
      chosen[#chosen + 1], j = {payload = new[j]}, j + 1
    else
      chosen[#chosen + 1], i = {number = zero[i]}, i + 1
    end
    from_list = not from_list
  end
  for _, number in ipairs(read_ready('(0', '+inf', count - (i + j - 2), oldest)) do
    chosen[#chosen + 1] = {number = number}
  end
  return chosen, elements_read
end

-- List leases that have ended, at least up to the limit, the first to end first: {id = ...} of plain
-- tasks or {number = ...}.
local function find_lost()
  local lost, sets = {}, {id = leases, number = task_leases}
  for name, set in pairs(sets) do
    local most = name == 'number' and has_kept and math.max(limit, MAX_READIED) or limit
    local found = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'WITHSCORES', 'LIMIT', 0, most + 1)
    for i = 1, #found, 2 do
      if found[i] ~= PLACEHOLDER_MEMBER then
        lost[#lost + 1] = {[name] = found[i], ends = tonumber(found[i + 1])}
      end
    end
  end
  table.sort(lost, function(one, other)
    if one.ends ~= other.ends then return one.ends < other.ends end
    return (one.id or one.number) < (other.id or other.number)
  end)
  return lost
end

-- List what some entries have under a name.
local function listed(entries, name)
  local found = {}
  for _, each in ipairs(entries) do
    if each[name] then found[#found + 1] = each[name] end
  end
  return found
end

-- Take those that are cancelled out of what has lost its lease, and those that are ready. Returns
-- them up to the limit, by age, and what has lost its lease without them.
local function split_cancelled(lost)
  local cancelled, others = {}, {}
  if not has_kept then return cancelled, lost end
  for _, number in ipairs(
    redis.call('ZRANGEBYSCORE', ready, '-inf', CANCELLED_SCORE, 'LIMIT', 0, limit)) do
    cancelled[#cancelled + 1] = {number = number}
  end
  local marked = read_kept(task_tries, listed(lost, 'number'))
  for _, each in ipairs(lost) do
    local texts = each.number and marked[each.number]
    local list = texts and texts[3] ~= '' and cancelled or others
    list[#list + 1] = each
  end
  table.sort(cancelled, function(one, other) return one.number < other.number end)
  for i = #cancelled, limit + 1, -1 do cancelled[i] = nil end
  return cancelled, others
end

-- Lease tasks with terms, and write into `taken` what is delivered of each. Those whose payload is
-- no more are dropped.
local function lease_tasks(numbers, first_state, taken)
  if #numbers == 0 then return end
  local payloads, all = read_fields(tasks, numbers), read_all_terms(numbers)
  local states, kept, deadlines, lost, lost_terms = {}, {}, {}, {}, {}
  if has_fences then states = read_fields(task_tries, numbers) end
  if has_kept then kept = read_kept(task_tries, numbers) end
  for i, number in ipairs(numbers) do
    local its, state = all[i], states[i] or first_state
    if payloads[i] then
      local fence, attempt = parse_state(state or '0-0')
      local receipt = 't' .. number
      if state then
        state = string.format('%d-%d', fence + 1, attempt + 1)
        save_task_state(number, state)
        receipt = receipt .. '.' .. state
      end
      deadlines[#deadlines + 1], deadlines[#deadlines + 2] = deadline, number
      local expires = its and its.expires and string.format('%.0f', its.expires - now) or ''
      taken[number] = {receipt, payloads[i], attempt + 1, expires, its and 0 or 1, kept[number] or ''}
    else
      lost[#lost + 1], lost_terms[#lost_terms + 1] = number, its
    end
  end
  call_in_chunks('ZADD', task_leases, deadlines)
  call_in_chunks('ZREM', ready, numbers)
  if #lost > 0 then remove_tasks(lost, lost_terms, {task_leases, ready}) end
end

local function lease_plain_again(ids, taken)
  local payloads, states = read_fields(running, ids), read_fields(tries, ids)
  local again = lease_again(ids, payloads, states, read_kept(tries, ids))
  for i = 1, #again, 4 do
    local id = string.match(again[i], '^%d+')
    taken[id] = {again[i], again[i + 1], again[i + 2], '', 0, again[i + 3]}
  end
end

-- Called when the server's clock was set back: what is due, or is soon, would be so only when the
-- clock is where it was. That is what waits for a retry, or for the end of another task.
local function shift_delayed(last)
  for _, set in ipairs({delayed, held}) do shift_times(set, now, last) end
end

-- Let the next take look again when there may be more. Returns the microseconds until then.
local function schedule_next()
  local time = math.huge
  if redis.call('ZRANGE', ready, 0, 0)[1] then
    time = 0
  else
    local found = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
    if found[1] then time = tonumber(found[2]) end
  end
  local score = time < math.huge and string.format('%.0f', time) or 'inf'
  redis.call('ZADD', task_leases, score, PLACEHOLDER_MEMBER)
  time = math.min(next_task_time(), nearest_lease_end() or math.huge)
  return time < math.huge and math.max(time - now, 0) or -1
end

local before_step = time_before_step()
if before_step then
  redis.call('ZREM', delayed, '')
  redis.call('ZREM', held, '')
  shift_leases({leases, task_leases}, before_step)
  shift_delayed(before_step)
end
local count, version, held_reply = read_control(KEYS[16])
local cancelled, lost = split_cancelled(find_lost())
if held_reply and count == 0 and #cancelled == 0 then return {held_reply, version, {}} end
count = math.max(count - #cancelled, 0)
for i = #lost, count + 1, -1 do lost[i] = nil end

local turn = tonumber(redis.call('GET', takes) or 0)
redis.call('GET', sequence)
redis.call('LRANGE', queue, 0, 0)
redis.call('LTRIM', queue, 0, -1)
check_removal()
check_task_removal()
check_addition()
check_task_addition()
save_clock()
ready_due()
local chosen, elements_read = choose(count - #lost, turn)
local taken = {}

lease_plain_again(listed(lost, 'id'), taken)
lease_tasks(listed(lost, 'number'), '0-1', taken)
lease_tasks(listed(cancelled, 'number'), '0-1', taken)
lease_tasks(listed(chosen, 'number'), nil, taken)
local new = listed(chosen, 'payload')
if #new > 0 then
  local first = next_ids(#new)
  lease_new(first, new)
  for i, each in ipairs(chosen) do
    if each.payload then
      each.id, first = string.format('%.0f', first), first + 1
      taken[each.id] = {each.id, each.payload, 1, '', 0, ''}
    end
  end
end
if elements_read > 0 then redis.call('LTRIM', queue, elements_read, -1) end

local reply = {}
for _, entries in ipairs({cancelled, lost, chosen}) do
  for _, each in ipairs(entries) do
    for _, value in ipairs(taken[each.id or each.number] or {}) do reply[#reply + 1] = value end
  end
end
if #reply > 0 then redis.call('SET', takes, turn + 1) end
return {schedule_next(), version, reply}
