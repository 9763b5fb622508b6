-- ARGV: commands, each with what follows its key: "HSET 0 0". Finds out what would be refused and
-- changes nothing: what a user may run on keys fails on a key of another type.
-- Returns the commands that this user may not run, and the keys of the wrong type.
local commands, wrong = {}, {}

local function refused(name, where, ...)
  local reply = redis.pcall(name, where, ...)
  local text = type(reply) == 'table' and reply.err or ''
  if string.find(text, 'ACL failure') or string.find(text, 'executing the script') then
    commands[#commands + 1] = string.lower(name)
  end
  return text
end

local function look(name, where, ...)
  if string.find(refused(name, where, ...), 'WRONGTYPE') then wrong[#wrong + 1] = where end
end

-- A server that is out of memory lets a script go on that began so.
redis.pcall('LTRIM', queue, 0, -1)
look('LLEN', queue)
look('LLEN', dead)
look('HLEN', running)
look('HLEN', tries)
look('ZCOUNT', leases, 0, 0)
look('GET', sequence)
look('GET', clock)
if redis.pcall('GET', sequence) == false then refused('SET', sequence, '0') end
if type(redis.pcall('GET', sequence)) == 'string' then
  for _, text in ipairs(ARGV) do
    local words = {}
    for word in string.gmatch(text, '%S+') do words[#words + 1] = word end
    refused(words[1], sequence, unpack(words, 2))
  end
end
return {commands, wrong}
