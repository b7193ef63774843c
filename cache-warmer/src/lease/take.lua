-- Takes the lease when it is free and renews it when it is the caller's.
-- KEYS 1 the lease (string)
-- ARGV 1 the caller's token  2 how long it lasts, in milliseconds
-- Returns 1 when the caller has it, else 0.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
