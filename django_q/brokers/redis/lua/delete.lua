-- ARGV: a receipt, or an id. Deletes the payload whoever holds it. Returns how many there were.
local id = string.match(ARGV[1], '^%d+') or ''
local found = redis.call('HEXISTS', running, id)
forget({id})
return found
