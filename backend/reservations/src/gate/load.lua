-- Begins a show's mirror anew, unless a later epoch's is there already.
-- KEYS 1: the show's mirror
-- ARGV 1: first version of the epoch  2: queue open (0 or 1)  3: channel  4: show id  5: TTL in seconds
--      6: whether keys may have been used that the gate does not remember (0 or 1)
--      7…: seat, value; for each seat that is not free for the first time
-- Result: 1 when loaded, 0 when a later one was there
local mirror, version = KEYS[1], ARGV[1]
local old = redis.call('HGET', mirror, 'v')
if old and tonumber(old) >= tonumber(version) then return 0 end
redis.call('DEL', mirror)
redis.call('HSET', mirror, 'v', version, 'q', ARGV[2], 'k', ARGV[6])
for i = 7, #ARGV, 2 do
  redis.call('HSET', mirror, 's:' .. ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', mirror, ARGV[5])
redis.call('PUBLISH', ARGV[3], '{"type":"reload","show_id":"' .. ARGV[4] .. '"}')
purge(ARGV[4])
return 1
