-- ARGV: a receipt, or an id. Deletes the payload even while it is leased. Returns how many
-- were deleted.
local id = string.match(ARGV[1], '^%d+') or ''
local found = redis.call('HEXISTS', running, id)
remove_deliveries({id})
return found
