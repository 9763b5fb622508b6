-- ARGV: keys. Withdraws their notices. Returns how many there were.
local count = 0
for _, key in ipairs(ARGV) do
  if read_notice(redis.call('HGET', notices, key)) then count = count + 1 end
end
if count == 0 then return 0 end
change_version()
for _, key in ipairs(ARGV) do redis.call('HDEL', notices, key) end
return count
