-- KEYS: the index of heartbeats. Returns keys and heartbeats, and drops those from the index
-- that are past their time. Passes over what is no heartbeat.
local found, refused = {}, nil
for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local value = redis.pcall('GET', name)
  if type(value) == 'table' then
    command, key, refused = 'GET', name, value.err
  elseif value then
    found[#found + 1], found[#found + 2] = name, value
  else
    redis.pcall('SREM', KEYS[1], name) -- who only reads may not
  end
end
if refused and #found == 0 and not string.find(refused, '^WRONGTYPE') then error(refused, 0) end
return found
