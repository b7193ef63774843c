-- Put before the scripts that change what a show looks like, behind a line that names the channel `purges`: whoever stores our answers
-- about it must ask again. It is said in the call that makes the change, so whoever asks because of it sees the change.
local function purge(show)
  redis.call('PUBLISH', purges, '{"tags":["show:' .. show .. '"]}')
end

