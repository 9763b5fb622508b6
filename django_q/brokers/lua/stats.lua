-- KEYS: the index of heartbeats. Returns keys and heartbeats, and drops those from the index
-- that are past their time.
local found = {}
for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local value = redis.call('GET', key)
  if value then
    found[#found + 1], found[#found + 2] = key, value
  else
    redis.call('SREM', KEYS[1], key)
  end
end
return found
