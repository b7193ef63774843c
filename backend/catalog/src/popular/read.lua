-- Reads the first films of the popular list, all of one count.
-- KEYS 1 the ranking (sorted set)  2 the documents (hash)  3 when it was counted (string)
-- ARGV 1 how many
-- Returns nothing when there is no whole list, else {as_of, document, document, …}, most popular first.
local as_of = redis.call('GET', KEYS[3])
if not as_of then return {} end
local ids = redis.call('ZREVRANGE', KEYS[1], 0, ARGV[1] - 1)
local list = {as_of}
for position, id in ipairs(ids) do
  local document = redis.call('HGET', KEYS[2], id)
  if not document then return {} end
  list[position + 1] = document
end
return list
