-- ARGV: payload, a receipt. Ends the delivery and keeps the payload aside, unless it is stale.
local ids = sort(2)
if ids[1] then
  try_removal()
  redis.call('RPUSH', dead, ARGV[1])
  forget(ids)
end
return #ids
