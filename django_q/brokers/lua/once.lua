-- KEYS: the queue, a mark. ARGV: payload, seconds for which the mark is kept.
-- Returns the length of the queue; nothing when the mark is there already.
if redis.call('SET', KEYS[2], '', 'NX', 'EX', ARGV[2]) then
  return redis.call('RPUSH', KEYS[1], ARGV[1])
end
return false
