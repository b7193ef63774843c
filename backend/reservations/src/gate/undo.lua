-- Takes back what a claim of this owner did, where Postgres has not confirmed it.
-- KEYS 1: the show's mirror  2: the keyed owners that claimed here
-- ARGV 1: owner  2: channel  3: show id  4: whether the owner is forgotten too (0 or 1)  5…: seats
-- Result: how many seats were freed
local mirror, owner, channel, show = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local changes = {}
if ARGV[4] == '1' then redis.call('ZREM', KEYS[2], owner) end
for i = 5, #ARGV do
  local seat = redis.call('HGET', mirror, 's:' .. ARGV[i]) or ''
  local kind, token, _, by = string.match(seat, '^(%a):(%d+):(%d+):(.*)$')
  if kind == 'p' and by == owner then
    redis.call('HSET', mirror, 's:' .. ARGV[i], 'f:' .. token .. ':0:')
    changes[#changes + 1] = '"' .. ARGV[i] .. '":"free"'
  end
end
publish(mirror, channel, show, changes)
return #changes
