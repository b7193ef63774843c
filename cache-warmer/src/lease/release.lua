-- Gives the lease back.
-- KEYS 1 the lease (string)
-- ARGV 1 the caller's token
-- Returns 1 when it was the caller's, else 0.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
