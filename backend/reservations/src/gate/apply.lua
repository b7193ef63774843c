-- Makes seats what Postgres says they are. A smaller fencing token than the mirror's is old news and changes nothing;
-- of two facts with the same token the later kind wins (held, booked, free), and of two holds, or escrows, the later deadline: it
-- was extended, which is no news to watchers. What had lapsed may have been shown as free, so its next status is published even
-- when it is held again. Stored answers are purged besides where they would outlive what they show: when there is no mirror, as
-- nobody has told of the change yet, and when a claim lapses sooner than the one before it.
-- KEYS 1: the show's mirror
-- ARGV 1: channel  2: show id  3: mirror's TTL in seconds  4…: seat, kind, token, deadline in milliseconds, owner; for each seat
-- Result: seats changed, or -1 when there is no mirror
local mirror, channel, show = KEYS[1], ARGV[1], ARGV[2]
if redis.call('EXISTS', mirror) == 0 then
  purge(show)
  return -1
end
local rank = { h = 0, e = 0, b = 1, f = 2, p = 3 }
local visible = { h = 'held', e = 'held', p = 'held', b = 'booked', f = 'free' }
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local changes = {}
local count, sooner, lapsed_at = 0, false, nil
for i = 4, #ARGV, 5 do
  local field, kind, token = 's:' .. ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local old = redis.call('HGET', mirror, field) or 'f:0:0:'
  local old_kind, old_token, old_deadline = string.match(old, '^(%a):(%d+):(%d+):')
  local new_number, old_number = tonumber(token), tonumber(old_token)
  local extendable = kind == 'h' or kind == 'e'
  local extended = extendable and kind == old_kind and tonumber(ARGV[i + 3]) > tonumber(old_deadline)
  if new_number > old_number or (new_number == old_number and (rank[kind] > rank[old_kind] or extended)) then
    redis.call('HSET', mirror, field, kind .. ':' .. token .. ':' .. ARGV[i + 3] .. ':' .. ARGV[i + 4])
    count = count + 1
    sooner = sooner or tonumber(ARGV[i + 3]) < tonumber(old_deadline)
    local lapsed = visible[old_kind] == 'held' and tonumber(old_deadline) <= now
    if lapsed or visible[kind] ~= visible[old_kind] then
      changes[#changes + 1] = '"' .. ARGV[i] .. '":"' .. visible[kind] .. '"'
      if lapsed and old_kind == 'h' and kind == 'f' and (not lapsed_at or tonumber(old_deadline) < tonumber(lapsed_at)) then
        lapsed_at = old_deadline
      end
    end
  end
end
redis.call('EXPIRE', mirror, ARGV[3])
publish(mirror, channel, show, changes, lapsed_at)
if sooner and #changes == 0 then purge(show) end
return count
