-- Put behind prelude.lua before the scripts that take. ARGV: the most to take, microseconds of a
-- lease, the id of the cluster that takes or ''.
local limit, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local deadline = string.format('%.0f', now + lease)

-- Make what a set has from a time on until a lease after `last` earlier, as the clock was set back.
local function shift_times(set, from, last)
  local ends = redis.call('ZRANGEBYSCORE', set, from, last + lease, 'WITHSCORES')
  for i = 1, #ends, 2 do
    local shifted = string.format('%.0f', tonumber(ends[i + 1]) - (last - now))
    redis.call('ZADD', set, shifted, ends[i])
  end
end

-- Called when the server's clock was set back: leases would last longer by as much. A payload that
-- is delayed further keeps its time by the clock, and so does a lease that ends in time as it is:
-- it may have been extended since.
local function shift_leases(sets, last)
  for _, set in ipairs(sets) do redis.call('ZREM', set, '') end
  for _, set in ipairs(sets) do redis.call('ZADD', set, 'NX', 'inf', PLACEHOLDER_MEMBER) end
  save_clock()
  for _, set in ipairs(sets) do shift_times(set, now + lease, last) end
end

-- Return the time before the server's clock was set back; nothing where it was not.
local function time_before_step()
  local last = tonumber(redis.call('GET', clock) or 0)
  return last - now > CLOCK_TOLERANCE and last or nil
end

-- Read up to `count` payloads from the list, behind as many elements. Returns them, and the number of
-- elements that were read with those: empty ones are no payloads.
local function read_new(count, elements_before)
  local new, elements_read = {}, elements_before or 0
  while #new < count do
    local wanted = count - #new
    local elements = redis.call('LRANGE', queue, elements_read, elements_read + wanted - 1)
    for _, payload in ipairs(elements) do
      if payload ~= '' then new[#new + 1] = payload end
    end
    elements_read = elements_read + #elements
    if #elements < wanted then break end
  end
  return new, elements_read
end

local function lease_new(first, new)
  for from = 1, #new, MAX_COMMAND_VALUES do
    local payloads, deadlines = {}, {}
    for i = from, math.min(from + MAX_COMMAND_VALUES - 1, #new) do
      local id = string.format('%.0f', first + i - 1)
      payloads[#payloads + 1], payloads[#payloads + 2] = id, new[i]
      deadlines[#deadlines + 1], deadlines[#deadlines + 2] = deadline, id
    end
    redis.call('HSET', running, unpack(payloads))
    redis.call('ZADD', leases, unpack(deadlines))
  end
end

-- Lease again what was leased, delayed or released. Returns receipts, payloads, attempts, and what
-- is kept beside the payloads ('': nothing).
local function lease_again(ids, payloads, states, kept)
  local redelivered, missing_ids = {}, {}
  for i, id in ipairs(ids) do
    local fence, attempt = parse_state(states[i] or '0-1')
    if payloads[i] then
      local state = string.format('%d-%d', fence + 1, attempt + 1)
      save_state(id, state)
      redis.call('ZADD', leases, deadline, id)
      redelivered[#redelivered + 1] = id .. '.' .. state
      redelivered[#redelivered + 1] = payloads[i]
      redelivered[#redelivered + 1] = attempt + 1
      redelivered[#redelivered + 1] = kept[id] or ''
    else
      missing_ids[#missing_ids + 1] = id
    end
  end
  remove_deliveries(missing_ids)
  return redelivered
end

-- What is replied in place of a time where nothing is taken: as the queue is paused, or as so many of
-- its tasks are leased as may be. Of very many that are delayed, so many are looked at.
local PAUSED, FULL, MAX_COUNTED, COUNTED_PAGE = -3, -4, 10000, 1000

-- Read a number of up to 16 digits; nothing where it is none.
local function read_number(text)
  return text and #text <= 16 and string.match(text, '^%d+$') and tonumber(text) or nil
end

-- Count plain tasks that are leased, up to `most`. Those that are delayed stand among them, and only
-- the state tells, see list_tasks.lua. Leases that were given or extended last come first, and what
-- ends later than any lease is delayed.
local function count_plain_leased(most)
  if redis.call('HLEN', tries) <= 1 then return redis.call('ZCOUNT', leases, now + 1, '(inf') end
  local count, last = 0, now + lease + CLOCK_TOLERANCE
  for from = 0, MAX_COUNTED - 1, COUNTED_PAGE do
    local ids = redis.call(
      'ZRANGE', leases, last, now + 1, 'BYSCORE', 'REV', 'LIMIT', from, COUNTED_PAGE)
    for _, state in ipairs(read_fields(tries, ids)) do
      if not (state and string.match(state, '%-0')) then count = count + 1 end
    end
    if #ids < COUNTED_PAGE or count >= most then break end
  end
  return count
end

-- Count tasks that are leased, up to `most`.
local function count_leased(most)
  local count, where = 0, KEYS[8] -- of tasks with terms, see task_prelude.lua
  if where then
    count = redis.call('ZCOUNT', where, now + 1, '(inf')
    local alarm = tonumber(redis.call('ZMSCORE', where, PLACEHOLDER_MEMBER)[1] or 'inf')
    if alarm > now and alarm < math.huge then count = count - 1 end
  end
  if count < most then count = count + count_plain_leased(most - count) end
  return count
end

-- Read what holds the queue back, see orders/orders_prelude.lua; nothing does without that key.
-- Returns how many tasks may be taken, the version of the notices, and the reply where none may be.
local function read_control(control)
  if not control then return limit, 0 end
  local found = redis.call('HMGET', control, 'version', 'paused', 'paused:' .. ARGV[3], 'limit')
  local version, most = read_number(found[1]) or 0, read_number(found[4])
  if found[2] == '1' or found[3] == '1' then return 0, version, PAUSED end
  if not most then return limit, version end
  return math.min(limit, math.max(most - count_leased(most), 0)), version, FULL
end
