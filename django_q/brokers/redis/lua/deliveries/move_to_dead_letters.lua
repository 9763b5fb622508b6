-- ARGV: payload, a receipt. Ends the delivery and moves the payload to the dead-letter list, unless
-- the receipt is stale. Returns 1 if it did, else 0.
local ids = split_receipts(2)
if ids[1] then
  check_removal()
  redis.call('RPUSH', dead, ARGV[1])
  remove_deliveries(ids)
end
return #ids
