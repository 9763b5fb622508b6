-- ARGV: how many, microseconds of a lease.
-- Returns the microseconds until the next lease ends (-1: there is none), deliveries whose
-- lease had ended (receipt, payload, attempt, ...), the id of the first new one, new payloads.
local limit, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local again, new = {}, {}

local function take_again(id, payload)
  if not payload then return forget({id}) end
  local fence, attempt = parse(redis.call('HGET', tries, id) or '0-1')
  local state = string.format('%d-%d', fence + 1, attempt + 1)
  note(id, state)
  redis.call('ZADD', leases, string.format('%.0f', now + lease), id)
  again[#again + 1] = id .. '.' .. state
  again[#again + 1] = payload
  again[#again + 1] = attempt + 1
end

local function take_due()
  -- Removing comes first: a server that is out of memory lets a script that began so go on.
  redis.call('HDEL', tries, '')
  local due = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, limit)
  for _, id in ipairs(due) do take_again(id, redis.call('HGET', running, id)) end
  limit = limit - #due
end

local function take_new(count)
  local payloads = redis.call('LPOP', queue, count)
  if not payloads then return false end
  for _, payload in ipairs(payloads) do
    if payload ~= '' then new[#new + 1] = payload end
  end
  return #payloads == count
end

local function lease_new(first, from, upto)
  local deadline = string.format('%.0f', now + lease)
  local payloads, deadlines = {}, {}
  for i = from, upto do
    local id = string.format('%.0f', first + i - 1)
    payloads[#payloads + 1], payloads[#payloads + 2] = id, new[i]
    deadlines[#deadlines + 1], deadlines[#deadlines + 2] = deadline, id
  end
  redis.call('HSET', running, unpack(payloads))
  redis.call('ZADD', leases, 'inf', GUARD, unpack(deadlines))
end

-- The server's clock was set back: leases would last longer by as much. What is delayed further
-- keeps its time by the clock, and so does a lease that ends in time as it is: it may have been
-- extended since.
local function set_back(last)
  redis.call('HDEL', tries, '')
  local ends = redis.call('ZRANGEBYSCORE', leases, now + lease, last + lease, 'WITHSCORES')
  for i = 1, #ends, 2 do
    local deadline = string.format('%.0f', tonumber(ends[i + 1]) - (last - now))
    redis.call('ZADD', leases, deadline, ends[i])
  end
  note_time()
end

local last = tonumber(redis.call('GET', clock) or 0)
if last - now > SLACK then set_back(last) end
local due = nearest()
if due and due <= now then
  take_due()
  due = nearest()
end
while #new < limit and take_new(math.min(limit - #new, CHUNK)) do end
local first = 0
if #new > 0 then
  first = number(#new)
  for from = 1, #new, CHUNK do
    lease_new(first, from, math.min(from + CHUNK - 1, #new))
  end
end
if #new > 0 or #again > 0 then note_time() end
return {due and due - now or -1, again, first, new}
