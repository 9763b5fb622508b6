-- Put before each script. What a queue is made of:
local queue = KEYS[1]     -- list: payloads that nobody has taken yet
local running = KEYS[2]   -- hash: id -> payload, of each delivery, and of each delayed payload
local leases = KEYS[3]    -- sorted set: id -> end of the lease, microseconds of the server's clock
local tries = KEYS[4]     -- hash: id -> "fence-attempt", for all but first deliveries
local sequence = KEYS[5]  -- the last id
local dead = KEYS[6]      -- list: payloads that could not be read
local clock = KEYS[7]     -- when leases were last given or extended, in the server's clock

-- A receipt is the id of a first delivery, and "id.fence-attempt" of any other.
-- An empty element of the queue is no payload: it wakes those who wait, see wake().

-- A member of `leases` that never ends, and of `tries`. It is longer than what the server keeps
-- in its compact encoding, where each look at 100 leases would walk through all of them.
local GUARD = string.rep('-', 65)

-- How many values go into one command: unpack() is limited by the stack of Lua.
local CHUNK = 1000

-- Microseconds by which a clock may go back without being taken for set back.
local SLACK = 1000000

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Number n new payloads. Returns the first of their ids.
local function number(n)
  -- Never below the clock: a server that has forgotten its last moments, or took over from one that
  -- had not copied them, gives no number again whose receipt may still be around.
  local last = math.max(tonumber(redis.call('GET', sequence) or 0), now) + n
  redis.call('SET', sequence, string.format('%.0f', last))
  return last - n + 1
end

-- Take receipts apart: ids, and what `tries` has to say for them to be good.
local function claims(receipts)
  local ids, states = {}, {}
  for i, receipt in ipairs(receipts) do
    local id, state = string.match(receipt, '^(%d+)%.?(.*)$')
    ids[i], states[i] = id or '', state or ''
  end
  return ids, states, redis.call('HMGET', tries, unpack(ids))
end

-- Sort the receipts from ARGV[first] on. Returns the ids, and what `tries` says, of deliveries
-- that are held, and the receipts that are stale.
local function sort(first)
  local held, states, stale = {}, {}, {}
  -- With nothing in `tries` but the guard, a good receipt is the id itself.
  local plain = redis.call('HLEN', tries) <= 1
  for from = first, #ARGV, CHUNK do
    local receipts = {unpack(ARGV, from, math.min(from + CHUNK - 1, #ARGV))}
    local ids, claimed, known = receipts, {}, {}
    if not plain then ids, claimed, known = claims(receipts) end
    local ends = redis.call('ZMSCORE', leases, unpack(ids))
    for i, id in ipairs(ids) do
      if ends[i] and (known[i] or '') == (claimed[i] or '') then
        held[#held + 1], states[#held + 1] = id, known[i] or '0-1'
      else
        stale[#stale + 1] = receipts[i]
      end
    end
  end
  return held, states, stale
end

-- Note what is not as with a first delivery.
local function note(id, state)
  redis.call('HSET', tries, id, state, GUARD, '')
end

-- The nearest end of a lease; nothing when there is no lease.
local function nearest()
  local found = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')
  if found[1] and found[1] ~= GUARD then return tonumber(found[2]) end
end

-- Take "fence-attempt" apart.
local function parse(state)
  local fence, attempt = string.match(state, '^(%d+)-(%d+)$')
  return tonumber(fence), tonumber(attempt)
end

-- Note when leases are given. Not the first write of a script: a server may be out of memory.
local function note_time()
  redis.call('SET', clock, string.format('%.0f', now))
end

-- Call a command on one key and many values.
local function each(name, where, all)
  for from = 1, #all, CHUNK do
    redis.call(name, where, unpack(all, from, math.min(from + CHUNK - 1, #all)))
  end
end

-- Read many fields of a hash; false for each that is not there.
local function values(hash, fields)
  local found = {}
  for from = 1, #fields, CHUNK do
    local upto = math.min(from + CHUNK - 1, #fields)
    for _, value in ipairs(redis.call('HMGET', hash, unpack(fields, from, upto))) do
      found[#found + 1] = value
    end
  end
  return found
end

-- Remove nothing, of each key that forget() removes from: see error_wrapper.lua.
local function try_removal()
  redis.call('ZREM', leases, '')
  redis.call('HDEL', running, '')
  redis.call('HDEL', tries, '')
end

-- Add to leases and states what is there, or may be.
local function try_addition()
  redis.call('ZADD', leases, 'inf', GUARD)
  redis.call('HSET', tries, GUARD, '')
end

local function forget(ids)
  if #ids == 0 then return end
  redis.call('ZREM', leases, '')
  local noted = redis.call('HLEN', tries) > 1
  each('HDEL', running, ids)
  if noted then each('HDEL', tries, ids) end
  each('ZREM', leases, ids)
end

-- Wake those who wait, if a lease ends before they look again: they have seen the end of the
-- nearest one, and look after `patience` microseconds in any case. So it is no harm when this is
-- refused, and what was done before is not to be repeated for it.
local function wake(deadline, patience)
  if deadline - now >= patience or redis.pcall('EXISTS', queue) ~= 0 then return end
  local found = redis.pcall('ZRANGE', leases, 0, 0, 'WITHSCORES')
  if found[1] and found[1] ~= GUARD and tonumber(found[2]) >= deadline then
    redis.pcall('RPUSH', queue, '')
  end
end
