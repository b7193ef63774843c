-- Adds what just happened to the lists, each fact once, unless the last count has seen it.
-- KEYS 1 what the lists were counted from (hash)  2 what the last count had not seen (hash)  3 film -> member (hash)
-- ARGV 1 what stands before the name of a place's list  2 how long the unseen is kept, in milliseconds  3 how much of it
-- then for each fact: its name, the transaction that wrote it, film, points, when it happened (seconds), names of places by commas
-- Returns {added, seen or added before, not taken because there is too much}.
local meta = redis.call('HMGET', KEYS[1], 'landmark', 'half_life', 'below', 'next', 'running')
local counted = meta[1] and true or false
local landmark, half_life = tonumber(meta[1] or 0), tonumber(meta[2] or 1)
local below, nextup, running = tonumber(meta[3] or 0), tonumber(meta[4] or 0), {}
for number in string.gmatch(meta[5] or '', '%d+') do running[number] = true end

local function seen(written_in)
  local number = tonumber(written_in)
  return counted and (number < below or (number < nextup and not running[written_in]))
end

-- A sale taken back may be heard of before the sale: less than nothing is what it then is, until that is added.
local function add(list, member, sum)
  if redis.call('ZSCORE', list, member) then
    redis.call('ZINCRBY', list, string.format('%.17g', sum), member)
  end
end

local added, before, refused = 0, 0, 0
local size = redis.call('HLEN', KEYS[2])
for i = 4, #ARGV, 6 do
  local fact, written_in, film, points, at, places = unpack(ARGV, i, i + 5)
  if seen(written_in) or redis.call('HEXISTS', KEYS[2], fact) == 1 then
    before = before + 1
  elseif size >= tonumber(ARGV[3]) then
    refused = refused + 1
  else
    redis.call('HSET', KEYS[2], fact, table.concat({written_in, film, points, at, places}, '|'))
    size, added = size + 1, added + 1
    local member = counted and redis.call('HGET', KEYS[3], film)
    if member then
      local sum = tonumber(points) * 2 ^ ((tonumber(at) - landmark) / half_life)
      for place in string.gmatch(places, '[^,]+') do add(ARGV[1] .. place, member, sum) end
    end
  end
end
if added > 0 then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return {added, before, refused}
