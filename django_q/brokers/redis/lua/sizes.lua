-- ARGV: microseconds of a lease, where the last four numbers are asked for.
-- Returns how many may be taken now, and how many not; and by their state: how many wait, are
-- delayed, and leased; and the microseconds since the oldest was enqueued, -1 if that is not known.
-- The most entries that are looked at one by one.
local MAX_READ = 10000

local function count_upto_now(set)
  return redis.call('ZCOUNT', set, '-inf', now), redis.call('ZCOUNT', set, now + 1, '(inf')
end

-- Count the plain tasks that are delayed, which only the state tells, see list_tasks.lua. Of very
-- many, what ends later than any lease counts as delayed.
local function count_delayed(lease)
  local count = 0
  local ids = redis.call('ZRANGEBYSCORE', leases, now + 1, '(inf', 'LIMIT', 0, MAX_READ)
  for _, state in ipairs(read_fields(tries, ids)) do
    if state and string.match(state, '%-0') then count = count + 1 end
  end
  if #ids < MAX_READ then return count end
  local last = redis.call('ZMSCORE', leases, ids[#ids])[1]
  local from = string.format('(%.0f', math.max(tonumber(last), now + lease))
  return count + redis.call('ZCOUNT', leases, from, '(inf')
end

-- Return the least of the first members of a set that are due.
local function oldest_due(set, oldest)
  for _, number in ipairs(redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, MAX_READ)) do
    if number ~= PLACEHOLDER_MEMBER and (not oldest or number < oldest) then oldest = number end
  end
  return oldest
end

local due, later = count_upto_now(leases)
local waiting = redis.call('LLEN', queue)
-- An empty element, which only wakes those who wait, is pushed to an empty list: it is the first.
if redis.call('LINDEX', queue, 0) == '' then waiting = waiting - 1 end
local plain_waiting = waiting + due
local plain_delayed = ARGV[1] and count_delayed(tonumber(ARGV[1])) or 0
local ready_count = redis.call('ZCOUNT', ready, '-inf', '+inf')
local lapsed, leased = count_upto_now(task_leases)
local readying, delayed_count = count_upto_now(delayed)
local held_due, held_later = count_upto_now(held)
local alarm = tonumber(redis.call('ZMSCORE', task_leases, PLACEHOLDER_MEMBER)[1] or 'inf')
if alarm <= now then lapsed = lapsed - 1 elseif alarm < math.huge then leased = leased - 1 end

local oldest
if plain_waiting == 0 and ARGV[1] then
  local found = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
  while found[1] do -- the first of each priority is its oldest
    if not oldest or found[1] < oldest then oldest = found[1] end
    found = redis.call('ZRANGEBYSCORE', ready, '(' .. found[2], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  end
  for _, set in ipairs({task_leases, delayed, held}) do oldest = oldest_due(set, oldest) end
end
local deliverable = plain_waiting + ready_count + lapsed + readying
local task_delayed = delayed_count + held_later
return {
  deliverable, later + leased + delayed_count + held_due + held_later,
  deliverable + held_due, plain_delayed + task_delayed, later - plain_delayed + leased,
  oldest and math.max(now - tonumber(oldest), 0) or -1,
}
