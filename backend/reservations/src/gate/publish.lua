-- Put before the other scripts, behind `purge.lua`: the next version of a show, and the frame that tells every watcher what changed.
-- `changes` is a list of `"seat":"status"`. `lapsed_at`, where something is free because its hold lapsed, is the earliest such deadline in
-- milliseconds; it stands last, and is taken off before sockets get the frame.
local function publish(mirror, channel, show, changes, lapsed_at)
  if #changes == 0 then return end
  redis.call('HINCRBY', mirror, 'v', 1)
  local version = redis.call('HGET', mirror, 'v')
  redis.call('PUBLISH', channel, '{"type":"seats","show_id":"' .. show .. '","version":' .. version ..
    ',"changes":{' .. table.concat(changes, ',') .. '}' .. (lapsed_at and ',"lapsed_at":' .. lapsed_at or '') .. '}')
  purge(show)
end

