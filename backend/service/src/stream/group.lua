-- Makes a group where it is missing, and says how far it is behind.
-- KEYS 1…: the streams
-- ARGV 1: the group
-- Result: entries that were trimmed before the group read them, each said once; entries it has not read; entries not acknowledged
--
-- Redis counts what a group has read, and what was ever added. Trimming passes over entries without counting them as read: when
-- more is gone than was read, or all is read and the counts differ, that is what was missed, and is counted as read from now on.
local function named(list)
  local all = {}
  for i = 1, #list, 2 do all[list[i]] = list[i + 1] end
  return all
end

local function found(key)
  if redis.call('EXISTS', key) == 0 then
    return { ['entries-added'] = 0, length = 0, ['last-generated-id'] = '0-0' }
  end
  local group
  for _, each in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    each = named(each)
    if each.name == ARGV[1] then group = each end
  end
  return named(redis.call('XINFO', 'STREAM', key)), group
end

local missed, unread, pending = 0, 0, 0
for _, key in ipairs(KEYS) do
  local stream, group = found(key)
  local added, trimmed = stream['entries-added'], stream['entries-added'] - stream.length
  local read = trimmed
  if group then
    read = group['entries-read'] or trimmed
    local lost = trimmed - read
    if group['last-delivered-id'] == stream['last-generated-id'] then lost = added - read end
    if lost > 0 then
      read = read + lost
      missed = missed + lost
      redis.call('XGROUP', 'SETID', key, ARGV[1], group['last-delivered-id'], 'ENTRIESREAD', read)
    end
    pending = pending + group.pending
  else
    redis.call('XGROUP', 'CREATE', key, ARGV[1], '0', 'MKSTREAM', 'ENTRIESREAD', read)
  end
  unread = unread + added - read
end
return { missed, unread, pending }
