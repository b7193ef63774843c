-- Claims seats for one buyer, all or none.
-- KEYS 1: the show's mirror  2: the keyed owners that claimed here, by time
-- ARGV 1: owner  2: milliseconds a claim may wait for Postgres  3: channel  4: show id  5: mirror's TTL in seconds
--      6: how many keyed owners are remembered; 0 when this one has no key  7: for how many seconds  8…: seats
-- Result: {"missing"} no mirror · {"mine"} the owner has some already, or was here before · {"taken", seat…} · {"claimed"}
local mirror, owner, channel, show = KEYS[1], ARGV[1], ARGV[3], ARGV[4]
if redis.call('EXISTS', mirror) == 0 then return {'missing'} end
local remembered_max = tonumber(ARGV[6])
if remembered_max > 0 and redis.call('ZSCORE', KEYS[2], owner) then return {'mine'} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local queue_open = redis.call('HGET', mirror, 'q') == '1'

-- A seat is `kind:token:deadline:owner`. Lapsed claims are free, except that a lapsed hold belongs to the queue when there is one.
local function free(kind, deadline)
  if kind == 'f' then return true end
  if kind == 'b' or tonumber(deadline) > now then return false end
  return kind ~= 'h' or not queue_open
end

local taken, mine, tokens = {}, 0, {}
for i = 8, #ARGV do
  local seat = redis.call('HGET', mirror, 's:' .. ARGV[i]) or 'f:0:0:'
  local kind, token, deadline, by = string.match(seat, '^(%a):(%d+):(%d+):(.*)$')
  tokens[i] = token
  if by == owner and kind ~= 'f' then
    mine = mine + 1
  elseif not free(kind, deadline) then
    taken[#taken + 1] = ARGV[i]
  end
end
if mine > 0 then return {'mine'} end
if #taken > 0 then return {'taken', unpack(taken)} end

local deadline = string.format('%.0f', now + ARGV[2])
local changes = {}
for i = 8, #ARGV do
  redis.call('HSET', mirror, 's:' .. ARGV[i], 'p:' .. tokens[i] .. ':' .. deadline .. ':' .. owner)
  changes[#changes + 1] = '"' .. ARGV[i] .. '":"held"'
end
redis.call('EXPIRE', mirror, ARGV[5])
if remembered_max > 0 then
  redis.call('ZADD', KEYS[2], now, owner)
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -remembered_max - 1)
  redis.call('EXPIRE', KEYS[2], ARGV[7])
end
publish(mirror, channel, show, changes)
return {'claimed'}
