-- Folds a member's events in, in the order given. KEYS: context, tombstone.
-- ARGV: user, limit, ttl, then three for each event: id, ts, what stands between.
-- Returns the numbers (from 0) of those that changed something.
local user, limit, ttl = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local since, floor = erased(KEYS[2])

-- Where a late event goes: the first byte of the first line that is later, and how many stand
-- before it; nil where a line has no time.
local function place(events, ts)
  local from, before = 1, 0
  while from <= #events do
    local next = string.find(events, '\n', from + 1, true) or #events + 1
    local known = time_of(string.sub(events, from, next - 1))
    if not known then return nil end
    if known > ts then break end
    before = before + 1
    from = next
  end
  return from, before
end

-- The ids of the lines in the tail: as a set, and in their order.
local new, ids = {}, {}

-- Lets the oldest line go.
local function drop(context)
  if context.from <= #context.value then
    context.from = string.find(context.value, '\n', context.from + 1, true) or #context.value + 1
  else
    table.remove(context.tail, 1)
    new[table.remove(ids, 1)] = nil
  end
  context.count = context.count - 1
  context.dropped = context.dropped + 1
end

-- Takes a line in, unless it is older than all of a full history; nil where a line has no time.
local function take(context, id, line, ts, number)
  if context.count == 0 or number >= tonumber(context.newest) then
    context.tail[#context.tail + 1] = line
    ids[#ids + 1], new[id] = id, true
    context.newest = ts
    return true
  end
  local events = gathered(context)
  local from, before = place(events, number)
  if not from then return nil end
  if before == 0 and context.count >= limit then return false end
  context.value = string.sub(events, 1, from - 1) .. line .. string.sub(events, from)
  context.from, context.tail, new, ids = 1, {}, {}, {}
  return true
end

local function apply(context)
  local changed = {}
  new, ids = {}, {}
  for i = 4, #ARGV, 3 do
    local id, ts, number = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 1])
    local line = '\n[' .. id .. ',' .. ARGV[i + 2] .. ',' .. ts .. ']'
    local seen = new[id] or string.find(context.value, '\n[' .. id .. ',', context.from, true)
    if number > since and not seen then
      local taken = take(context, id, line, ts, number)
      if taken == nil then return nil end
      if taken then
        context.count = context.count + 1
        while context.count > limit do drop(context) end
        touch(context, ts)
        changed[#changed + 1] = (i - 4) / 3
      end
    end
  end
  return changed, context
end

local held = read(KEYS[1], user)
local changed, context
if held then changed, context = apply(held) end
-- Nobody yet, or lines that cannot be read: as if there were nothing.
if not changed then changed, context = apply(newcomer(floor)) end
if #changed > 0 then write(KEYS[1], user, context, ttl) end
return changed
