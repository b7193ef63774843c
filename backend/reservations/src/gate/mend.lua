-- Replaces what a reconciler saw twice and Postgres contradicts, if it is still there.
-- KEYS 1: the show's mirror
-- ARGV 1: channel  2: show id  3…: seat, value seen (empty when none), right value, right status; for each seat
-- Result: how many seats were mended
local mirror, channel, show = KEYS[1], ARGV[1], ARGV[2]
if redis.call('EXISTS', mirror) == 0 then return 0 end
local changes = {}
for i = 3, #ARGV, 4 do
  local field = 's:' .. ARGV[i]
  if (redis.call('HGET', mirror, field) or '') == ARGV[i + 1] then
    redis.call('HSET', mirror, field, ARGV[i + 2])
    changes[#changes + 1] = '"' .. ARGV[i] .. '":"' .. ARGV[i + 3] .. '"'
  end
end
publish(mirror, channel, show, changes)
return #changes
