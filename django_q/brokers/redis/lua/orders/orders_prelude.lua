-- Put before scripts about the notices of a queue. Its keys, for people and all clusters:
local control = KEYS[1]  -- hash: "paused" and "paused:CLUSTER" are '1' in a pause, "limit" is how many
                         -- tasks may be leased, "version" changes with each change of the notices
local notices = KEYS[2]  -- hash: key -> "posted|end|text", in microseconds of the server's clock

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Split a notice into when it was posted, and its text. Returns nothing where it is over, or is none.
local function read_notice(value)
  local posted, ends, text = string.match(value or '', '^(%d+)|(%d+)|(.*)$')
  if posted and tonumber(ends) > now then return posted, text end
end

-- Read all notices. Returns key, when it was posted, and text of each, and the keys of those that are
-- over.
local function read_all()
  local current, gone = {}, {}
  local found = redis.call('HGETALL', notices)
  for i = 1, #found, 2 do
    local posted, text = read_notice(found[i + 1])
    if posted then
      for _, value in ipairs({found[i], posted, text}) do current[#current + 1] = value end
    else
      gone[#gone + 1] = found[i]
    end
  end
  return current, gone
end

local function read_version()
  local text = redis.call('HGET', control, 'version') or ''
  return #text <= 16 and string.match(text, '^%d+$') and tonumber(text) or 0
end

-- Give the notices another version: never below the clock, as the key may have been lost. Removals of
-- nothing come first: they show that those which follow are permitted, and let a server that is out of
-- memory go on, as an order must stand.
local function change_version()
  local version = string.format('%.0f', math.max(read_version() + 1, now))
  redis.call('HDEL', notices, '')
  redis.call('HDEL', control, '')
  redis.call('HSET', control, 'version', version)
end
