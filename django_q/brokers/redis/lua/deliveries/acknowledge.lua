-- ARGV: receipts. Ends the deliveries. Returns the receipts that are stale.
local ids, _, stale = split_receipts(1)
remove_deliveries(ids)
return stale
