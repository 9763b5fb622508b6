-- ARGV: the most to take, microseconds of a lease.
-- Returns the microseconds until the next lease ends (-1: there is none), deliveries whose
-- lease had ended (receipt, payload, attempt, ...), the id of the first new one, new payloads.
local limit, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local deadline = string.format('%.0f', now + lease)

-- Called when the server's clock was set back: leases would last longer by as much. A payload that
-- is delayed further keeps its time by the clock, and so does a lease that ends in time as it is:
-- it may have been extended since.
local function shift_leases(last)
  local ends = redis.call('ZRANGEBYSCORE', leases, now + lease, last + lease, 'WITHSCORES')
  redis.call('ZREM', leases, '')
  redis.call('ZADD', leases, 'inf', PLACEHOLDER_MEMBER)
  save_clock()
  for i = 1, #ends, 2 do
    local shifted = string.format('%.0f', tonumber(ends[i + 1]) - (last - now))
    redis.call('ZADD', leases, shifted, ends[i])
  end
end

-- Read up to `count` payloads from the list. Returns them, and the number of elements that were
-- read: empty ones are no payloads.
local function read_new(count)
  local new, elements_read = {}, 0
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

local last = tonumber(redis.call('GET', clock) or 0)
if last - now > CLOCK_TOLERANCE then shift_leases(last) end
local due = nearest_lease_end()
local ids, payloads, states = {}, {}, {}
if due and due <= now then
  ids = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, limit)
  payloads, states = read_fields(running, ids), read_fields(tries, ids)
end
local new, elements_read = read_new(limit - #ids)
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
  redelivered = lease_again(ids, payloads, states)
  due = nearest_lease_end()
end
if elements_read > 0 then redis.call('LTRIM', queue, elements_read, -1) end
return {due and due - now or -1, redelivered, first, new}
