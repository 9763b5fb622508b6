-- KEYS: the queue, a mark. ARGV: payload, seconds for which the mark is kept.
-- Returns the length of the queue; nothing when the mark is there already.
if redis.call('EXISTS', KEYS[2]) == 1 then return false end
redis.call('SET', KEYS[2], '', 'XX', 'EX', ARGV[2]) -- changes nothing, as there is none
local length = redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], '', 'EX', ARGV[2])
return length
