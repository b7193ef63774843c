-- Takes a token from a client's bucket, which is known by the time at which it is full again (see rate.rs).
--
-- KEYS[1]  that time: string, microseconds since 1970 by the server's own clock; gone when the bucket is full
-- ARGV[1]  microseconds until one more token is there
-- ARGV[2]  microseconds from empty to full
-- Returns 0 when a token was taken, else the microseconds until there is one.

local interval, refill = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- No bucket is emptier than empty: a clock that was set back must not shut anybody out.
local full_at = math.min(tonumber(redis.call('GET', KEYS[1]) or now), now + refill)
local after = math.max(full_at, now) + interval
local wait = after - now - refill
if wait > 0 then
  return wait
end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return 0
