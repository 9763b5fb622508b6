-- ARGV: how many, microseconds of a lease.
-- Returns the microseconds until the next lease ends (-1: there is none), deliveries whose
-- lease had ended (receipt, payload, attempt, ...), the id of the first new one, new payloads.
local limit, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local deadline = string.format('%.0f', now + lease)

-- The server's clock was set back: leases would last longer by as much. What is delayed further
-- keeps its time by the clock, and so does a lease that ends in time as it is: it may have been
-- extended since.
local function set_back(last)
  local ends = redis.call('ZRANGEBYSCORE', leases, now + lease, last + lease, 'WITHSCORES')
  redis.call('ZREM', leases, '')
  redis.call('ZADD', leases, 'inf', GUARD)
  note_time()
  for i = 1, #ends, 2 do
    local earlier = string.format('%.0f', tonumber(ends[i + 1]) - (last - now))
    redis.call('ZADD', leases, earlier, ends[i])
  end
end

-- What waits on the list: payloads, and how many elements of it they are.
local function read_new(count)
  local new, seen = {}, 0
  while #new < count do
    local wanted = count - #new
    local elements = redis.call('LRANGE', queue, seen, seen + wanted - 1)
    for _, payload in ipairs(elements) do
      if payload ~= '' then new[#new + 1] = payload end
    end
    seen = seen + #elements
    if #elements < wanted then break end
  end
  return new, seen
end

local function lease_new(first, new)
  for from = 1, #new, CHUNK do
    local payloads, deadlines = {}, {}
    for i = from, math.min(from + CHUNK - 1, #new) do
      local id = string.format('%.0f', first + i - 1)
      payloads[#payloads + 1], payloads[#payloads + 2] = id, new[i]
      deadlines[#deadlines + 1], deadlines[#deadlines + 2] = deadline, id
    end
    redis.call('HSET', running, unpack(payloads))
    redis.call('ZADD', leases, unpack(deadlines))
  end
end

local function lease_again(ids, payloads, states)
  local again, gone = {}, {}
  for i, id in ipairs(ids) do
    local fence, attempt = parse(states[i] or '0-1')
    if payloads[i] then
      local state = string.format('%d-%d', fence + 1, attempt + 1)
      note(id, state)
      redis.call('ZADD', leases, deadline, id)
      again[#again + 1] = id .. '.' .. state
      again[#again + 1] = payloads[i]
      again[#again + 1] = attempt + 1
    else
      gone[#gone + 1] = id
    end
  end
  forget(gone)
  return again
end

local last = tonumber(redis.call('GET', clock) or 0)
if last - now > SLACK then set_back(last) end
local due = nearest()
local ids, payloads, states = {}, {}, {}
if due and due <= now then
  ids = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, limit)
  payloads, states = values(running, ids), values(tries, ids)
end
local new, seen = read_new(limit - #ids)
local first, again = 0, {}

if #ids > 0 then
  try_removal()
  try_addition()
end
if seen > 0 then redis.call('LTRIM', queue, 0, -1) end
if #ids > 0 or #new > 0 then note_time() end
if #new > 0 then
  first = number(#new)
  redis.call('ZADD', leases, 'inf', GUARD)
  lease_new(first, new)
end
if #ids > 0 then
  again = lease_again(ids, payloads, states)
  due = nearest()
end
if seen > 0 then redis.call('LTRIM', queue, seen, -1) end
return {due and due - now or -1, again, first, new}
