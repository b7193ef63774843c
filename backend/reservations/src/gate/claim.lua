-- Claims seats for one buyer, all or none.
-- KEYS 1: the show's mirror
-- ARGV 1: owner  2: milliseconds a claim may wait for Postgres  3: channel  4: show id  5: mirror's TTL in seconds  6…: seats
-- Result: {"missing"} no mirror · {"mine"} the owner has some already · {"taken", seat…} · {"claimed"}
local mirror, owner, channel, show = KEYS[1], ARGV[1], ARGV[3], ARGV[4]
if redis.call('EXISTS', mirror) == 0 then return {'missing'} end

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
for i = 6, #ARGV do
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
for i = 6, #ARGV do
  redis.call('HSET', mirror, 's:' .. ARGV[i], 'p:' .. tokens[i] .. ':' .. deadline .. ':' .. owner)
  changes[#changes + 1] = '"' .. ARGV[i] .. '":"held"'
end
redis.call('EXPIRE', mirror, ARGV[5])
publish(mirror, channel, show, changes)
return {'claimed'}
