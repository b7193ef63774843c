-- Puts new lists in the place of those before, at once for every reader, and adds to them what happened that they had not seen.
-- KEYS 1 the leader's lease (string)  2 what the lists were counted from (hash)  3 what they had not seen (hash)
--      4 film -> member (hash)  5 the directory (string)  6, 7 what is to become of 4 and 5
-- ARGV 1 the caller's token  2 how long all lives, in milliseconds  3 what stands before the name of a place's list
--      4 what stands before the name of a new list  5 whether there is a new directory
--      6 as_of  7 landmark (seconds)  8 half-life (seconds)  9 below  10 next  11 running  12 version of the directory
--      then for each place: its name, how many films its list has, whether it is a new list
-- Returns {code, lists that are lost, facts added again, places…}; code 1: done. Else nothing is changed: -1 the caller is not the
-- leader, -2 a later leader was here, -3 a new list is gone, -4 these places are to be written too.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {-1} end
if tonumber(redis.call('HGET', KEYS[2], 'token') or 0) > tonumber(ARGV[1]) then return {-2} end
local ttl, lists, new_lists, new_directory = ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'

local fresh, films, counts = {}, {}, {}
for i = 13, #ARGV, 3 do
  films[ARGV[i]], fresh[ARGV[i]] = tonumber(ARGV[i + 1]), ARGV[i + 2] == '1'
  counts[#counts + 1], counts[#counts + 2] = 'n:' .. ARGV[i], ARGV[i + 1]
end

local function gone()
  if new_directory and redis.call('EXISTS', KEYS[6], KEYS[7]) < 2 then return true end
  for place, count in pairs(films) do
    if fresh[place] and count > 0 and redis.call('EXISTS', new_lists .. place) == 0 then return true end
  end
end
if gone() then return {-3} end

local below, nextup, running = tonumber(ARGV[9]), tonumber(ARGV[10]), {}
for number in string.gmatch(ARGV[11], '%d+') do running[number] = true end
local facts, again, forgotten, unwritten = redis.call('HGETALL', KEYS[3]), {}, {}, {}
for i = 1, #facts, 2 do
  local written_in, film, points, at, places = string.match(facts[i + 1], '([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)')
  local number = tonumber(written_in)
  if number < below or (number < nextup and not running[written_in]) then
    forgotten[#forgotten + 1] = facts[i]
    -- It was added to these lists, and is counted now: a list that stays would have it twice, or after it was taken back.
    for place in string.gmatch(places, '[^,]+') do
      if films[place] and not fresh[place] then unwritten[place] = true end
    end
  else
    again[#again + 1] = {film, tonumber(points), tonumber(at), places}
  end
end
if next(unwritten) then
  local answer = {-4, 0, 0}
  for place in pairs(unwritten) do answer[#answer + 1] = place end
  return answer
end

if new_directory then
  redis.call('RENAME', KEYS[6], KEYS[4])
  redis.call('RENAME', KEYS[7], KEYS[5])
end
for place, count in pairs(films) do
  if fresh[place] and count > 0 then
    redis.call('RENAME', new_lists .. place, lists .. place)
  elseif fresh[place] then
    redis.call('DEL', lists .. place)
  end
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'token', ARGV[1], 'as_of', ARGV[6], 'landmark', ARGV[7], 'half_life', ARGV[8],
  'below', ARGV[9], 'next', ARGV[10], 'running', ARGV[11], 'version', ARGV[12])
for i = 1, #counts, 1000 do
  redis.call('HSET', KEYS[2], unpack(counts, i, math.min(i + 999, #counts)))
end

for i = 1, #forgotten do redis.call('HDEL', KEYS[3], forgotten[i]) end
for _, fact in ipairs(again) do
  local member = redis.call('HGET', KEYS[4], fact[1])
  for place in string.gmatch(fact[4], '[^,]+') do
    -- A list that was not written has it already.
    if member and fresh[place] and redis.call('ZSCORE', lists .. place, member) then
      local sum = fact[2] * 2 ^ ((fact[3] - tonumber(ARGV[7])) / tonumber(ARGV[8]))
      redis.call('ZINCRBY', lists .. place, string.format('%.17g', sum), member)
    end
  end
end

local lost = 0
for place, count in pairs(films) do
  if redis.call('PEXPIRE', lists .. place, ttl) == 0 and count > 0 then lost = lost + 1 end
end
for _, key in ipairs({KEYS[2], KEYS[4], KEYS[5]}) do
  if redis.call('PEXPIRE', key, ttl) == 0 then lost = lost + 1 end
end
return {1, lost, #again}
