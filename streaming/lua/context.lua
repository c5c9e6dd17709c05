-- A member's context as one string, and how every script of it reads and writes. No script decodes
-- the history: an event is a line, found and compared as text.
--
--   1 <revision> <dropped> <count> <updated_at> <newest event's ts> <bytes of all that follows>
--   <user id as JSON>
--   <profile as JSON, or null>
--   ["<event id>",...,<ts>]                  an event; oldest first, one line each
--
-- A full history is 60 KB, and each copy of it costs more than all else: in the table that `read`
-- gives, the lines stay where they are, in `value` from byte `from` on, with new ones in `tail`.
-- Times stay the text that they came as ("-": none), since Lua would print them with fewer digits.
local function read(key, user)
  local value = redis.pcall('GET', key)
  if type(value) ~= 'string' then return nil end
  local revision, dropped, count, updated, newest, bytes, from =
    string.match(value, '^1 (%d+) (%d+) (%d+) (%S+) (%S+) (%d+)\n()')
  if not revision or #value - from + 1 ~= tonumber(bytes) then return nil end
  if updated ~= '-' and not tonumber(updated) then return nil end
  if count ~= '0' and not tonumber(newest) then return nil end
  local profile = from + #user + 1
  if string.sub(value, from, profile - 1) ~= user .. '\n' then return nil end
  local cut = string.find(value, '\n', profile, true) or #value + 1
  return {
    revision = tonumber(revision), dropped = tonumber(dropped), count = tonumber(count),
    updated = updated, newest = newest,
    profile = string.sub(value, profile, cut - 1), value = value, from = cut, tail = {},
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
local function newcomer(floor)
  local now = redis.call('TIME')
  return {
    revision = math.max(tonumber(now[1]) * 1000000 + tonumber(now[2]), floor), dropped = 0,
    count = 0, updated = '-', newest = '-', profile = 'null', value = '', from = 1, tail = {},
  }
end

local function touch(context, ts)
  context.revision = context.revision + 1
  if context.updated == '-' or tonumber(ts) > tonumber(context.updated) then
    context.updated = ts
  end
end

local function write(key, user, context, ttl)
  local tail = table.concat(context.tail)
  local bytes = #user + 1 + #context.profile + #context.value - context.from + 1 + #tail
  local head = string.format('1 %.0f %.0f %.0f %s %s %.0f\n', context.revision, context.dropped,
    context.count, context.updated, context.newest, bytes)
  redis.call('SET', key, head .. user .. '\n' .. context.profile ..
    string.sub(context.value, context.from) .. tail, 'EX', ttl)
end

-- All lines as one string, to be looked through or rewritten.
local function gathered(context)
  return string.sub(context.value, context.from) .. table.concat(context.tail)
end
