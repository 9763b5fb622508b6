-- KEYS: the queue, a mark. ARGV: payload, seconds after which the mark expires.
-- Returns the length of the queue; nothing when the mark exists already.
if redis.call('EXISTS', KEYS[2]) == 1 then return false end
-- Checks that the addition below will not be refused: with XX it changes nothing, as there is none.
redis.call('SET', KEYS[2], '', 'XX', 'EX', ARGV[2])
local length = redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], '', 'EX', ARGV[2])
return length
