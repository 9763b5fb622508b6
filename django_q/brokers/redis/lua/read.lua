-- ARGV: a receipt. Returns the payload; nothing when the receipt is stale.
local ids = split_receipts(1)
return ids[1] and redis.call('HGET', running, ids[1])
