-- Put before the other scripts, behind `purge.lua`: the next version of a show, and the frame that tells every watcher what changed.
-- `changes` is a list of `"seat":"status"`.
local function publish(mirror, channel, show, changes)
  if #changes == 0 then return end
  redis.call('HINCRBY', mirror, 'v', 1)
  local version = redis.call('HGET', mirror, 'v')
  redis.call('PUBLISH', channel, '{"type":"seats","show_id":"' .. show .. '","version":' .. version ..
    ',"changes":{' .. table.concat(changes, ',') .. '}}')
  purge(show)
end

