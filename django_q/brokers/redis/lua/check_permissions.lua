-- ARGV: commands, each with the arguments behind its key: "HSET 0 0". Finds out which commands the
-- server would refuse, and changes nothing: each is run on a string, where it fails or only reads
-- even if the user may run it.
-- Returns the commands that this user may not run, and the keys of the wrong type.
local commands, wrong_type_keys = {}, {}

local function try_command(name, target, ...)
  local reply = redis.pcall(name, target, ...)
  local text = type(reply) == 'table' and reply.err or ''
  if string.find(text, 'ACL failure') or string.find(text, 'executing the script') then
    commands[#commands + 1] = string.lower(name)
  end
  return text
end

local function check_type(name, target, ...)
  if string.find(try_command(name, target, ...), 'WRONGTYPE') then
    wrong_type_keys[#wrong_type_keys + 1] = target
  end
end

-- A server that is out of memory continues a script whose first write is a removal.
redis.pcall('LTRIM', queue, 0, -1)
check_type('LLEN', queue)
check_type('LLEN', dead)
check_type('HLEN', running)
check_type('HLEN', tries)
check_type('ZCOUNT', leases, 0, 0)
check_type('GET', sequence)
check_type('GET', clock)
for i = 8, #KEYS do -- see tasks/task_prelude.lua, and orders/orders_prelude.lua
  local name = ({[9] = 'HLEN', [10] = 'HLEN', [14] = 'HLEN', [15] = 'GET', [16] = 'HLEN', [17] = 'HLEN'})[i]
  if name then check_type(name, KEYS[i]) else check_type('ZCOUNT', KEYS[i], 0, 0) end
end
if redis.pcall('GET', sequence) == false then try_command('SET', sequence, '0') end
if type(redis.pcall('GET', sequence)) == 'string' then
  for _, text in ipairs(ARGV) do
    local words = {}
    for word in string.gmatch(text, '%S+') do words[#words + 1] = word end
    try_command(words[1], sequence, unpack(words, 2))
  end
end
return {commands, wrong_type_keys}
