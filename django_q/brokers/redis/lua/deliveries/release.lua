-- ARGV: microseconds until they may be delivered again, max_wait, 1 if they count as attempts or
-- else 0; what read_new_kept() reads; receipts. Releases deliveries. Returns the receipts that are
-- stale.
local delay, max_wait, counts = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local new_kept, first = read_new_kept(4)
local ids, states, stale = split_receipts(first)
if #ids == 0 then return stale end
local payloads, kept = read_fields(running, ids), read_kept(tries, ids)
-- They are due in their order, before all that is due at the same time. Without a delay they are
-- due by a margin, as the clocks of the server's processors may differ.
local deadline = now + (delay > 0 and delay or -CLOCK_TOLERANCE) - #ids
local requeued, removed_ids, delayed = {}, {}, {}

for i = #ids, 1, -1 do
  local fence, attempt = parse_state(states[i])
  if not counts then attempt = attempt - 1 end
  local texts = new_kept[receipt_of(ids[i], states[i])]
  if delay == 0 and attempt == 0 and not texts and not kept[ids[i]] then
    removed_ids[#removed_ids + 1] = ids[i]
    if payloads[i] then requeued[#requeued + 1] = payloads[i] end
  else
    -- The zero before the attempt tells list_tasks.lua that nobody holds it.
    delayed[#delayed + 1] = {ids[i], string.format('%d-0%d', fence + 1, attempt), deadline + i, texts}
  end
end

check_removal()
if #delayed > 0 then check_addition() end
push_to_head(requeued) -- the list, where clusters of Django Q find them too
for _, each in ipairs(delayed) do
  local id, state, ends, texts = unpack(each)
  save_state(id, state)
  save_kept(tries, id, texts)
  redis.call('ZADD', leases, string.format('%.0f', ends), id)
end
remove_deliveries(removed_ids)
wake_waiting(deadline + 1, max_wait)
return stale
