-- Reads the list of one place, all of one count.
-- KEYS 1 what the lists were counted from (hash)  2 the list (sorted set)
-- ARGV 1 the name of the place  2 how many films
-- Returns nothing when there are no lists, or this one is lost; else {as_of, landmark, half_life, version of the directory,
-- 1 when the place has a list, member, sum, member, sum, …}, most popular first.
local meta = redis.call('HMGET', KEYS[1], 'as_of', 'landmark', 'half_life', 'version', 'n:' .. ARGV[1])
if not meta[1] then return {} end
local list = redis.call('ZREVRANGE', KEYS[2], 0, ARGV[2] - 1, 'WITHSCORES')
if meta[5] and tonumber(meta[5]) > 0 and #list == 0 then return {} end
local answer = {meta[1], meta[2], meta[3], meta[4], meta[5] and '1' or '0'}
for i = 1, #list do answer[i + 5] = list[i] end
return answer
