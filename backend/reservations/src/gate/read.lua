-- Reads a show's mirror together with the clock its deadlines are measured by.
-- KEYS 1: the show's mirror
-- Result: {milliseconds, {field, value, …}}; the list is empty when there is no mirror
local time = redis.call('TIME')
return { time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HGETALL', KEYS[1]) }
