-- ARGV: payload, a receipt. Ends the delivery and keeps the payload aside, unless it is stale.
local ids = sort(2)
forget(ids)
if ids[1] then redis.call('RPUSH', dead, ARGV[1]) end
return #ids
