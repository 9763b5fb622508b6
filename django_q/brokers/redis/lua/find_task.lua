-- ARGV: the id of a task with terms. Returns of it what list_tasks.lua does, without the cursor;
-- nothing when there is none.
local number = redis.call('HGET', names, 'task:' .. ARGV[1])
local payload = number and redis.call('HGET', tasks, number)
if not payload then return false end
local state, score, tried = 'waiting', '', redis.call('HGET', task_tries, number)
for name, set in pairs({leased = task_leases, delayed = delayed, held = held}) do
  local found = redis.call('ZMSCORE', set, number)[1]
  if found and name == 'leased' then tried = tried or '0-1' end
  if found and tonumber(found) > now then
    state, score = name == 'held' and 'delayed' or name, string.format('%.0f', found)
  end
end
return {
  state, number, payload, redis.call('HGET', terms, number) or '',
  tried or '', score, read_kept(task_tries, {number})[number] or '',
}
