-- Wrapped around each script. Redis does not roll back a script in which it refuses a command, so
-- each script begins with commands that change nothing: additions and removals whose success shows
-- that those which follow will not be refused, for a permission or for the type of a key. The first
-- command that changes something may still be refused; none after it can be. A removal comes first
-- where a server that is out of memory must continue the script, too.

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

-- Name the command that was refused and its key, in the same words for all servers.
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
