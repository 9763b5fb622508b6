-- KEYS: the index of heartbeats. Returns keys and heartbeats, and removes keys from the index
-- whose heartbeat has expired. Skips keys that do not hold a heartbeat.
local found, refused = {}, nil
for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local value = redis.pcall('GET', name)
  if type(value) == 'table' then
    command, key, refused = 'GET', name, value.err
  elseif value then
    found[#found + 1], found[#found + 2] = name, value
  else
    redis.pcall('SREM', KEYS[1], name) -- a user who may only read may not do this
  end
end
if refused and #found == 0 and not string.find(refused, '^WRONGTYPE') then error(refused, 0) end
return found
