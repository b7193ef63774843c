-- Claims, for one buyer, the first of some candidates that is wholly free; or nothing.
-- A candidate is so many seats of a stretch, one after the other, from a first one on. A stretch is seats side by side. Seats
-- asked for by name are one stretch with one candidate.
-- KEYS 1: the show's mirror  2: the keyed owners that claimed here, by time
-- ARGV 1: owner  2: milliseconds a claim may wait for Postgres  3: channel  4: show id  5: mirror's TTL in seconds
--      6: how many keyed owners are remembered; 0 when this one has no key  7: for how many seconds
--      8: seats of a candidate  9: 1 when candidates that would leave a seat of their stretch alone come after all others, else 0
--      10: the state the caller knows the mirror in, as returned from here; empty when in none
--      11: the candidates, best first: `stretch:first seat`, from 1, joined by commas  12…: the stretches: seats joined by commas
-- Result: {word, {seat…}, milliseconds, state, {field, value…}}. The word is `missing`: no mirror · `mine`: the owner has some
--      already, or was here before · `claimed`, with the seats · `taken`, with the seats of the first candidate that are, the
--      clock, the mirror's state and, unless the caller knows that one, the mirror
local mirror, owner, channel, show = KEYS[1], ARGV[1], ARGV[3], ARGV[4]
local head = redis.call('HMGET', mirror, 'v', 'q', 'k')
if not head[1] then return { 'missing', {}, 0, '', {} } end
local mine = { 'mine', {}, 0, '', {} }
local remembered_max = tonumber(ARGV[6])
if remembered_max > 0 and redis.call('ZSCORE', KEYS[2], owner) then return mine end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local queue_open = head[2] == '1'

-- A seat is `kind:token:deadline:owner`. Lapsed claims are free, except that a lapsed hold belongs to the queue when there is one.
local function free(kind, deadline)
  if kind == 'f' then return true end
  if kind == 'b' or tonumber(deadline) > now then return false end
  return kind ~= 'h' or not queue_open
end

-- The token of a seat that is free, else false. No seat is read twice.
local tokens, own = {}, false
local function token(seat)
  local known = tokens[seat]
  if known ~= nil then return known end
  local value = redis.call('HGET', mirror, 's:' .. seat) or 'f:0:0:'
  local kind, number, deadline, by = string.match(value, '^(%a):(%d+):(%d+):(.*)$')
  own = own or (by == owner and kind ~= 'f')
  tokens[seat] = free(kind, deadline) and number
  return tokens[seat]
end

local stretches = {}
local function stretch(number)
  if not stretches[number] then
    local seats = {}
    for seat in string.gmatch(ARGV[11 + number], '[^,]+') do seats[#seats + 1] = seat end
    stretches[number] = seats
  end
  return stretches[number]
end

local function all_free(seats, first, last)
  for at = first, last do
    if not token(seats[at]) then return false end
  end
  return true
end

-- Whether a free seat beside the candidate would have no free one on its other side.
local function leaves_alone(seats, first, last)
  local function alone(seat, beyond) return seat and token(seat) and not (beyond and token(beyond)) end
  return alone(seats[first - 1], seats[first - 2]) or alone(seats[last + 1], seats[last + 2])
end

local size = tonumber(ARGV[8])
local function choose(sparing)
  for number, at in string.gmatch(ARGV[11], '(%d+):(%d+)') do
    local seats, first = stretch(tonumber(number)), tonumber(at)
    local last = first + size - 1
    if all_free(seats, first, last) and not (sparing and leaves_alone(seats, first, last)) then
      return { unpack(seats, first, last) }
    end
  end
end

local chosen = ARGV[9] == '1' and choose(true) or choose(false)
if not chosen then
  local number, first = string.match(ARGV[11], '(%d+):(%d+)')
  local lost = {}
  for at = tonumber(first), tonumber(first) + size - 1 do
    local seat = stretch(tonumber(number))[at]
    if not token(seat) then lost[#lost + 1] = seat end
  end
  if own then return mine end
  local state = head[1] .. ':' .. (head[2] or '0') .. ':' .. (head[3] or '1')
  return { 'taken', lost, now, state, state == ARGV[10] and {} or redis.call('HGETALL', mirror) }
end

if own then return mine end

local deadline = string.format('%.0f', now + ARGV[2])
local changes = {}
for _, seat in ipairs(chosen) do
  redis.call('HSET', mirror, 's:' .. seat, 'p:' .. token(seat) .. ':' .. deadline .. ':' .. owner)
  changes[#changes + 1] = '"' .. seat .. '":"held"'
end
redis.call('EXPIRE', mirror, ARGV[5])
if remembered_max > 0 then
  redis.call('ZADD', KEYS[2], now, owner)
  if redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -remembered_max - 1) > 0 then redis.call('HSET', mirror, 'k', 1) end
  redis.call('EXPIRE', KEYS[2], ARGV[7])
end
publish(mirror, channel, show, changes)
return { 'claimed', chosen, 0, '', {} }
