-- Renews the lease when it is the caller's.
-- KEYS 1 the lease (string)
-- ARGV 1 the caller's token  2 how long it lasts, in milliseconds
-- Returns 1 when it is the caller's, 0 when it is somebody else's, -1 when it is nobody's.
local holder = redis.call('GET', KEYS[1])
if not holder then return -1 end
if holder ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
