-- Put behind prelude.lua before the scripts that take. ARGV: the most to take, microseconds of a
-- lease.
local limit, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local deadline = string.format('%.0f', now + lease)

-- Called when the server's clock was set back: leases would last longer by as much. A payload that
-- is delayed further keeps its time by the clock, and so does a lease that ends in time as it is:
-- it may have been extended since.
local function shift_leases(sets, last)
  for _, set in ipairs(sets) do redis.call('ZREM', set, '') end
  for _, set in ipairs(sets) do redis.call('ZADD', set, 'NX', 'inf', PLACEHOLDER_MEMBER) end
  save_clock()
  for _, set in ipairs(sets) do
    local ends = redis.call('ZRANGEBYSCORE', set, now + lease, last + lease, 'WITHSCORES')
    for i = 1, #ends, 2 do
      local shifted = string.format('%.0f', tonumber(ends[i + 1]) - (last - now))
      redis.call('ZADD', set, shifted, ends[i])
    end
  end
end

-- Notice that the clock was set back. `sets` are those that hold leases.
local function check_clock(sets)
  local last = tonumber(redis.call('GET', clock) or 0)
  if last - now > CLOCK_TOLERANCE then shift_leases(sets, last) end
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

-- Lease again what was leased, delayed or released. Returns receipts, payloads, and attempts.
local function lease_again(ids, payloads, states)
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
    else
      missing_ids[#missing_ids + 1] = id
    end
  end
  remove_deliveries(missing_ids)
  return redelivered
end
