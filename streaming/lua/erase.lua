-- Forgets what a member did until a time, and remembers that: replayed events stay forgotten.
-- KEYS: context, tombstone, list of prompts. ARGV: user, ttl of what stays, ttl of the tombstone,
-- until, whether all goes that is held ("1"), prefix of the prompts' keys, channel, the user id.
-- Returns whether there was anything to forget. Who listens on the channel is told to forget, too.
local user, ttl, memory, ts, all = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
local since, floor = erased(KEYS[2])
local context = read(KEYS[1], user)
local there = redis.call('EXISTS', KEYS[1])
if all and context and context.updated > tonumber(ts) then
  ts = string.format('%.17g', context.updated)
end

local kept, marks, count, profile = {}, {}, 0, 'null'
if context then
  gather(context)
  local number = 0
  for line in string.gmatch(context.lines, '\n[^\n]+') do
    local known = time_of(line)
    if known and known > tonumber(ts) then
      count = count + 1
      kept[count] = line
      marks[count] = string.sub(context.marks, 4 * number + 1, 4 * number + 4)
    end
    number = number + 1
  end
  local held = time_of(profile_of(context))
  if held and held > tonumber(ts) then profile = context.profile end
end

if context and count == context.count and profile == context.profile then
  there = 0  -- all that is held is newer
else
  -- No version from before stands for what is left, and no prompt of one comes back.
  local now = redis.call('TIME')
  floor = math.max(floor, tonumber(now[1]) * 1000000 + tonumber(now[2]))
  if context then floor = math.max(floor, context.revision) end
  if count > 0 or profile ~= 'null' then
    context.lines, context.marks = table.concat(kept), table.concat(marks)
    context.count, context.dropped = count, 0
    context.profile, context.revision = profile, floor + 1
    if count == 0 then context.newest = NONE end
    write(context, ttl)
  else
    redis.call('DEL', KEYS[1])
  end
  for _, vocabulary in ipairs(vocabularies_of(KEYS[3])) do
    redis.call('DEL', ARGV[6] .. vocabulary)
  end
  redis.call('DEL', KEYS[3])
end
local until_ = math.max(since, tonumber(ts))
if until_ ~= tonumber(ts) then ts = string.format('%.17g', until_) end
redis.call('SET', KEYS[2], string.format('%s %.0f', ts, floor), 'EX', memory)
if all or there == 1 then redis.call('PUBLISH', ARGV[7], ARGV[8]) end
return there
