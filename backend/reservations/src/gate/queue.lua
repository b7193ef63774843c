-- Says whether a show's lapsed holds belong to its waiting list.
-- KEYS 1: the show's mirror
-- ARGV 1: open (0 or 1)  2: show id
-- Result: nothing; a mirror that is not there learns it when it is loaded
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HGET', KEYS[1], 'q') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'q', ARGV[1])
  purge(ARGV[2])
end
