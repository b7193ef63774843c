-- Where streams end.
-- KEYS 1…: the streams
-- Result: for each the id of its last entry, how many were ever added, and how many of those are gone
local ends = {}
for i, key in ipairs(KEYS) do
  ends[i] = { '0-0', 0, 0 }
  if redis.call('EXISTS', key) == 1 then
    local list, all = redis.call('XINFO', 'STREAM', key), {}
    for at = 1, #list, 2 do all[list[at]] = list[at + 1] end
    ends[i] = { all['last-generated-id'], all['entries-added'], all['entries-added'] - all.length }
  end
end
return ends
