-- Put around each script. Redis takes nothing back of a script that it refuses half-way, so each
-- one begins with what changes nothing: additions and removals that show by their success that
-- those which follow will not be refused, for a permission or for the type of a key. The first
-- that changes something may still be refused; none behind it can be. A removal comes first, too,
-- where a server that is out of memory must let the script go on.

local call, command, key = redis.call, '', ''
local redis = {
  pcall = redis.pcall,
  call = function(...)
    command, key = ...
    return call(...)
  end,
}

local function main()
-- THE SCRIPT
end

-- Says which command was refused, on which key, in the same words on all servers.
local function refusal(text)
  text = string.gsub(string.gsub(text, '^[@%l_]+: ?%d+: %-?', ''), '%s+$', '')
  text = string.gsub(text, '^ERR ACL failure in script: ', 'NOPERM ')
  if string.find(text, '^The user executing') then
    text = 'NOPERM ' .. text
  elseif not string.find(text, '^%u+ ') then
    text = 'ERR ' .. text
  end
  return {err = string.format("%s, at '%s' of '%s'", text, string.lower(command), key or 'server')}
end

local done, reply = pcall(main)
if done then return reply end
return refusal(type(reply) == 'table' and reply.err or tostring(reply))
