-- A member's context as one string, and how every script of it reads and writes. No script decodes
-- the history: an event is a line of text, told apart by a mark (4 bytes made of its id).
--
--   head      magic, revision, updated_at, newest event's ts (NaN: none), dropped, count, and where
--             what follows lies: see FORMAT and streaming/context_value.py
--   user      the user id as JSON
--   marks     `room` of them; those of the kept events stand behind `first` of events let go
--   profile   as JSON, or null
--   lines     \n["<event id>",...,<ts>] each, oldest first; the kept ones from byte `from` to `stop`
--   slack     up to `size`
--
-- A new event at the end is written into the slack, the oldest of a full history is passed over by
-- `from`: neither copies the history, which is 60 KB. Without slack, for a late event, a profile or
-- an erasure all is written anew. Times are numbers in the head and stay the text that they came as
-- in a line, since Lua would print them with fewer digits.
local FORMAT = '<c4dddI4I4I4I4I4I4I4I4I4'
local MAGIC, HEAD = 'GPC2', 64
local NONE = 0 / 0

-- Head and marks; nil where there is nothing that can be read.
local function read(key, user)
  local text = redis.pcall('GETRANGE', key, 0, 2815)
  if type(text) ~= 'string' or #text < HEAD then return nil end
  local magic, revision, updated, newest, dropped, count, length, room, first, profile, from, stop,
    size = struct.unpack(FORMAT, text)
  if magic ~= MAGIC or length ~= #user or string.sub(text, HEAD + 1, HEAD + length) ~= user then
    return nil
  end
  local marks = HEAD + length
  local lines = marks + 4 * room + profile
  if first + count > room or lines > from or from > stop or stop > size then return nil end
  if (count > 0 and newest ~= newest) or redis.call('STRLEN', key) ~= size then return nil end
  if #text < marks + 4 * room then text = redis.call('GETRANGE', key, 0, marks + 4 * room - 1) end
  return {
    key = key, user = user, revision = revision, updated = updated, newest = newest,
    dropped = dropped, count = count, room = room, first = first, profile_bytes = profile,
    profile_at = marks + 4 * room, from = from, stop = stop, size = size,
    -- Of the kept events that stand in the value: how many, their marks, and their lines once
    -- somebody needs them. Behind these: what was appended.
    old = count, marks = string.sub(text, marks + 4 * first + 1, marks + 4 * (first + count)),
    lines = nil, tail = {}, tail_marks = {},
  }
end

-- The time at the end of an event's line, or of a profile; nil where there is none.
local function time_of(line)
  return tonumber(string.match(line, '^.*,([^,]+)%]$'))
end

-- When the member was erased last (-inf: never), and the highest revision from before that.
local function erased(key)
  local value = redis.pcall('GET', key)
  local ts, revision = string.match(type(value) == 'string' and value or '', '^(%S+) (%d+)$')
  return tonumber(ts) or -math.huge, tonumber(revision) or 0
end

-- Somebody new starts at the clock's microseconds: whoever comes back after having been erased, or
-- after the time to live, gets no version that stood for something else.
local function newcomer(key, user, floor)
  local now = redis.call('TIME')
  return {
    key = key, user = user, updated = NONE, newest = NONE, dropped = 0, count = 0, room = 0,
    revision = math.max(tonumber(now[1]) * 1000000 + tonumber(now[2]), floor), first = 0,
    profile = 'null', old = 0, marks = '', lines = '', tail = {}, tail_marks = {},
    gathered = true,
  }
end

local function touch(context, ts)
  context.revision = context.revision + 1
  if not (context.updated >= ts) then context.updated = ts end
end

-- The lines of the kept events that stand in the value.
local function lines_of(context)
  if not context.lines then
    context.lines = context.old == 0 and '' or
      redis.call('GETRANGE', context.key, context.from, context.stop - 1)
  end
  return context.lines
end

local function profile_of(context)
  if not context.profile then
    local at = context.profile_at
    context.profile = redis.call('GETRANGE', context.key, at, at + context.profile_bytes - 1)
  end
  return context.profile
end

-- Puts what was appended behind the lines, to be looked through or cut anywhere.
local function gather(context)
  context.lines = lines_of(context) .. table.concat(context.tail)
  context.marks = context.marks .. table.concat(context.tail_marks)
  context.old, context.tail, context.tail_marks = context.count, {}, {}
  context.gathered = true
end

local function head(context, room, first, profile, from, stop, size)
  return struct.pack(FORMAT, MAGIC, context.revision, context.updated, context.newest,
    context.dropped, context.count, #context.user, room, first, profile, from, stop, size)
end

-- Writes all anew, with room for an eighth more.
local function write(context, ttl)
  local profile = profile_of(context)
  gather(context)
  local room = context.count + math.max(4, math.floor(context.count / 8))
  local spare = math.max(256, math.floor(#context.lines / 8))
  local from = HEAD + #context.user + 4 * room + #profile
  local stop = from + #context.lines
  redis.call('SET', context.key, head(context, room, 0, #profile, from, stop, stop + spare) ..
    context.user .. context.marks .. string.rep('\0', 4 * (room - context.count)) .. profile ..
    context.lines .. string.rep('\0', spare), 'EX', ttl)
end

-- Writes what was appended into the slack; false where there is not enough of it.
local function append(context, ttl)
  local tail, marks = table.concat(context.tail), table.concat(context.tail_marks)
  local used = context.first + context.old
  if context.gathered or context.stop + #tail > context.size or
      used + #context.tail > context.room then
    return false
  end
  local stop = context.stop + #tail
  redis.call('SETRANGE', context.key, context.stop, tail)
  redis.call('SETRANGE', context.key, HEAD + #context.user + 4 * used, marks)
  redis.call('SETRANGE', context.key, 0, head(context, context.room, context.first,
    context.profile_bytes, context.from, stop, context.size))
  redis.call('EXPIRE', context.key, ttl)
  return true
end
