-- ARGV: receipts. Ends the deliveries. Returns the stale ones.
local ids, _, stale = sort(1)
forget(ids)
return stale
