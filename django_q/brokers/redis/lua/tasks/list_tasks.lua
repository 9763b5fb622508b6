-- ARGV: a state or '' for all, the most to return, the cursor behind which to begin or ''. Returns
-- state, number (a plain task: its id, or ''), payload, terms, "fence-attempt", when its state ends,
-- what is kept of it, and cursor of each task; before them the cursor from which to go on, '' at the end. A cursor is the
-- name of a key, and a place there: score and member, or an index of the list.
local wanted, limit = ARGV[1], tonumber(ARGV[2])
local section, score, member = string.match(ARGV[3], '^(%w+)/([^/]*)/?(.*)$')

-- The most entries that are read in one call.
local MAX_READ, PAGE = 10000, 100

local SECTIONS = {
  {name = 'lease', set = leases, payloads = running, states = tries, first = '0-1'},
  {name = 'task', set = task_leases, later = 'leased', first = '0-1'},
  {name = 'ready', set = ready},
  {name = 'list'},
  {name = 'delayed', set = delayed, later = 'delayed'},
  {name = 'held', set = held, later = 'delayed'},
}
local rows, read, cursor = {}, 0, ''

-- Return the index behind a member, which may be there no more.
local function index_behind(set, at, name)
  local first = redis.call('ZCOUNT', set, '-inf', '(' .. at)
  local last = first + redis.call('ZCOUNT', set, at, at)
  while first < last do
    local middle = math.floor((first + last) / 2)
    if redis.call('ZRANGE', set, middle, middle)[1] <= name then
      first = middle + 1
    else
      last = middle
    end
  end
  return first
end

-- Return the state of an entry.
local function state_of(place, ends, state)
  if place.name == 'ready' or ends <= now then return 'waiting' end
  if place.later then return place.later end
  -- release.lua writes the attempt of a delayed one with a zero before it.
  return string.match(state or '', '%-0') and 'delayed' or 'leased'
end

local function add(state, ...)
  if wanted == '' or state == wanted then
    for _, value in ipairs({state, ...}) do rows[#rows + 1] = value end
  end
  cursor = select(7, ...)
end

local function is_full()
  return #rows >= 8 * limit or read >= MAX_READ
end

-- Return the indexes between which a sorted set has what is wanted.
local function bounds(place)
  local count = redis.call('ZCOUNT', place.set, '-inf', '+inf')
  if wanted == '' then return 0, count end
  if place.name == 'ready' then return 0, wanted == 'waiting' and count or 0 end
  if place.later and wanted ~= 'waiting' and wanted ~= place.later then return 0, 0 end
  local due = redis.call('ZCOUNT', place.set, '-inf', now)
  if wanted == 'waiting' then return 0, due end
  return due, count
end

local function list_set(place, at, name)
  local from, upto = bounds(place)
  if at then from = math.max(from, index_behind(place.set, at, name)) end
  while from < upto and not is_full() do
    local found = redis.call('ZRANGE', place.set, from, math.min(from + PAGE, upto) - 1, 'WITHSCORES')
    local numbers, ends = {}, {}
    for i = 1, #found, 2 do
      numbers[#numbers + 1], ends[#ends + 1] = found[i], found[i + 1]
    end
    local payloads = read_fields(place.payloads or tasks, numbers)
    local states = read_fields(place.states or task_tries, numbers)
    local texts = place.payloads and {} or read_fields(terms, numbers)
    local kept = read_kept(place.states or task_tries, numbers)
    for i, number in ipairs(numbers) do
      if is_full() then return end
      read = read + 1
      local position = string.format('%s/%s/%s', place.name, ends[i], number)
      if payloads[i] then
        local state = state_of(place, tonumber(ends[i]), states[i])
        local tried = states[i] or place.first or ''
        add(state, number, payloads[i], texts[i] or '', tried, ends[i], kept[number] or '', position)
      else
        cursor = position
      end
    end
    from = from + #numbers
  end
end

local function list_elements(index)
  if wanted ~= '' and wanted ~= 'waiting' then return end
  while not is_full() do
    local elements = redis.call('LRANGE', queue, index, index + PAGE - 1)
    for _, payload in ipairs(elements) do
      if is_full() then return end
      read, index = read + 1, index + 1
      if payload ~= '' then
        add('waiting', '', payload, '', '', '', '', 'list/' .. string.format('%.0f', index))
      end
    end
    if #elements < PAGE then return end
  end
end

for _, place in ipairs(SECTIONS) do
  if not section or section == place.name then
    if place.set then
      list_set(place, section and score, member)
    else
      list_elements(section and tonumber(score) or 0)
    end
    section = nil
    if is_full() then break end
  end
end
table.insert(rows, 1, is_full() and cursor or '')
return rows
