-- Puts a popular list in the place of the one before, at once for every reader.
-- KEYS 1 the ranking (sorted set)  2 the documents (hash)  3 when it was counted (string)
-- ARGV 1 when it was counted, then for each film: score, movie id, document
-- Returns 1.
redis.call('DEL', KEYS[1], KEYS[2])
for i = 2, #ARGV, 3 do
  redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2])
end
redis.call('SET', KEYS[3], ARGV[1])
return 1
