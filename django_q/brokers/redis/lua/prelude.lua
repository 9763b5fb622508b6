-- Put before each script. The keys of a queue:
local queue = KEYS[1]     -- list: payloads that nobody has taken yet
local running = KEYS[2]   -- hash: id -> payload, of each delivery, and of each delayed payload
local leases = KEYS[3]    -- sorted set: id -> end of the lease, microseconds of the server's clock
local tries = KEYS[4]     -- hash: id -> "fence-attempt", for all but first deliveries; and KEPT_NAMES
local sequence = KEYS[5]  -- the last id
local dead = KEYS[6]      -- list: payloads that could not be read
local clock = KEYS[7]     -- when leases were last given or extended, in the server's clock

-- A receipt is the id of a first delivery, and "id.fence-attempt" of any other.
-- An empty element of the queue is no payload: it wakes those who wait, see wake_waiting().

-- A member of `leases` that never ends, and a field of `tries`. It is too long for the server's
-- compact encoding, in which each look-up of 100 leases would walk through all of them.
local PLACEHOLDER_MEMBER = string.rep('-', 65)

-- Fields of a hash of fences: what is kept beside a payload, as "position:ID"; and one that says that
-- there is such a field, so that nobody else looks for them.
local KEPT_NAMES, KEPT_MARK = {'attempts', 'position', 'cancelled'}, 'kept'

-- Values in one command at most: the stack of Lua limits unpack().
local MAX_COMMAND_VALUES = 1000

-- Microseconds by which a clock may differ before it counts as set back.
local CLOCK_TOLERANCE = 1000000

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Take n new ids, which follow each other. Returns the first.
local function next_ids(n)
  -- Never below the clock: a server that has lost its last writes, or took over from one that had
  -- not copied them, must not use an id again whose receipt may still be held.
  local last = tonumber(redis.call('SET', sequence, string.format('%.0f', now + n), 'GET') or 0)
  if last <= now then return now + 1 end
  redis.call('SET', sequence, string.format('%.0f', last + n))
  return last + 1
end

-- Split receipts into their ids, and the states that `tries` must have for them to be valid.
-- Returns both, and the states that `tries` has.
local function parse_receipts(receipts)
  local ids, states = {}, {}
  for i, receipt in ipairs(receipts) do
    local id, state = string.match(receipt, '^(%d+)%.?(.*)$')
    ids[i], states[i] = id or '', state or ''
  end
  return ids, states, redis.call('HMGET', tries, unpack(ids))
end

-- Split the receipts from ARGV[first] on. Returns the ids and states of deliveries that are held,
-- and the receipts that are stale.
local function split_receipts(first)
  local held, states, stale = {}, {}, {}
  -- With nothing in `tries` but the placeholder, all are first deliveries, whose receipt is the id.
  local all_first = redis.call('HLEN', tries) <= 1
  for from = first, #ARGV, MAX_COMMAND_VALUES do
    local receipts = {unpack(ARGV, from, math.min(from + MAX_COMMAND_VALUES - 1, #ARGV))}
    local ids, claimed, known = receipts, {}, {}
    if not all_first then ids, claimed, known = parse_receipts(receipts) end
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

-- Save the state of a delivery that is not the first.
local function save_state(id, state)
  redis.call('HSET', tries, id, state, PLACEHOLDER_MEMBER, '')
end

-- Return the end of the lease that ends next; nothing when there is no lease.
local function nearest_lease_end()
  local found = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')
  if found[1] and found[1] ~= PLACEHOLDER_MEMBER then return tonumber(found[2]) end
end

-- Split "fence-attempt" into its numbers.
local function parse_state(state)
  local fence, attempt = string.match(state, '^(%d+)-(%d+)$')
  return tonumber(fence) or 0, tonumber(attempt) or 0
end

-- Save the time at which leases are given. Not the first write of a script: a server that is out of
-- memory would refuse it.
local function save_clock()
  redis.call('SET', clock, string.format('%.0f', now))
end

-- Call a command on one key with many values, a chunk at a time.
local function call_in_chunks(name, where, all)
  for from = 1, #all, MAX_COMMAND_VALUES do
    redis.call(name, where, unpack(all, from, math.min(from + MAX_COMMAND_VALUES - 1, #all)))
  end
end

-- Push payloads before all that wait on the list. An empty element at its head is removed: behind
-- them it would be counted as a payload, and they wake those who wait as well.
local function push_to_head(payloads)
  if #payloads == 0 then return end
  if redis.call('LRANGE', queue, 0, 0)[1] == '' then redis.call('LTRIM', queue, 1, -1) end
  call_in_chunks('LPUSH', queue, payloads)
end

-- Read many fields of a hash; false for each that does not exist.
local function read_fields(hash, fields)
  local found = {}
  for from = 1, #fields, MAX_COMMAND_VALUES do
    local upto = math.min(from + MAX_COMMAND_VALUES - 1, #fields)
    for _, value in ipairs(redis.call('HMGET', hash, unpack(fields, from, upto))) do
      found[#found + 1] = value
    end
  end
  return found
end

-- Name the fields of what is kept beside payloads.
local function kept_fields(ids)
  local fields = {}
  for _, id in ipairs(ids) do
    for _, name in ipairs(KEPT_NAMES) do fields[#fields + 1] = name .. ':' .. id end
  end
  return fields
end

-- Read what is kept beside payloads: a text for each of KEPT_NAMES, by id; nothing where there is none.
local function read_kept(hash, ids)
  local kept = {}
  if #ids == 0 or not redis.call('HGET', hash, KEPT_MARK) then return kept end
  local found, count = read_fields(hash, kept_fields(ids)), #KEPT_NAMES
  for i, id in ipairs(ids) do
    local texts, is_any = {}, false
    for j = 1, count do
      texts[j] = found[(i - 1) * count + j] or ''
      is_any = is_any or texts[j] ~= ''
    end
    if is_any then kept[id] = texts end
  end
  return kept
end

-- Remove fences of payloads that are no more, and what is kept beside those.
local function remove_fences(hash, ids, has_kept)
  call_in_chunks('HDEL', hash, ids)
  if not has_kept then return end
  call_in_chunks('HDEL', hash, kept_fields(ids))
  if redis.call('HLEN', hash) == 2 then redis.call('HDEL', hash, KEPT_MARK) end -- and the placeholder
end

-- Remove nothing from each key that remove_deliveries() removes from: see error_wrapper.lua.
local function check_removal()
  redis.call('ZREM', leases, '')
  redis.call('HDEL', running, '')
  redis.call('HDEL', tries, '')
end

-- Add the placeholder, which may be there already, to leases and states: see error_wrapper.lua.
local function check_addition()
  redis.call('ZADD', leases, 'inf', PLACEHOLDER_MEMBER)
  redis.call('HSET', tries, PLACEHOLDER_MEMBER, '')
end

-- End deliveries for good: remove payloads, states and leases. Before it, a script with other changes
-- shows that HGET is permitted.
local function remove_deliveries(ids)
  if #ids == 0 then return end
  redis.call('ZREM', leases, '')
  local noted = redis.call('HLEN', tries) > 1
  local has_kept = noted and redis.call('HGET', tries, KEPT_MARK)
  call_in_chunks('HDEL', running, ids)
  if noted then remove_fences(tries, ids, has_kept) end
  call_in_chunks('ZREM', leases, ids)
end

-- Wake the clusters that wait, if this lease ends before they look again: they know the end of the
-- next lease, and look after `max_wait` microseconds in any case. So a refusal here does no harm,
-- and must not make the caller repeat what was done before.
local function wake_waiting(deadline, max_wait)
  if deadline - now >= max_wait or redis.pcall('EXISTS', queue) ~= 0 then return end
  local found = redis.pcall('ZRANGE', leases, 0, 0, 'WITHSCORES')
  if found[1] and found[1] ~= PLACEHOLDER_MEMBER and tonumber(found[2]) >= deadline then
    redis.pcall('RPUSH', queue, '')
  end
end
