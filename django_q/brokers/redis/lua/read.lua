-- ARGV: a receipt. Returns the payload; nothing when it is stale.
local ids = sort(1)
return ids[1] and redis.call('HGET', running, ids[1])
