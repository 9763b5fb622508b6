-- ARGV: a receipt. Returns what is kept beside its payload, in the order of KEPT_NAMES; nothing where
-- nothing is, or the receipt is stale.
local hash, split = tries, split_receipts
if string.sub(ARGV[1], 1, 1) == 't' then hash, split = task_tries, split_tasks end
local ids = split(1)
return read_kept(hash, ids)[ids[1]] or ''
