-- ARGV: key, text, microseconds for which it is kept, the most notices that there may be. Posts a
-- notice, or replaces the one of that key. Returns how many others there are, where that is too many.
local others, gone, most = redis.call('HLEN', notices), {}, tonumber(ARGV[4])
if redis.call('HEXISTS', notices, ARGV[1]) == 1 then others = others - 1 end
if others >= most then
  local current
  current, gone = read_all()
  others = 0
  for i = 1, #current, 3 do
    if current[i] ~= ARGV[1] then others = others + 1 end
  end
  if others >= most then return others end
end
change_version()
local value = string.format('%.0f|%.0f|', now, now + tonumber(ARGV[3])) .. ARGV[2]
redis.call('HSET', notices, ARGV[1], value)
for _, key in ipairs(gone) do
  if key ~= ARGV[1] then redis.call('HDEL', notices, key) end
end
return false
