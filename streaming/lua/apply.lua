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

local function apply(context)
  local changed = {}
  for i = 4, #ARGV, 3 do
    local id, ts, number = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 1])
    local line = '\n[' .. id .. ',' .. ARGV[i + 2] .. ',' .. ts .. ']'
    local seen = string.find(context.events, '\n[' .. id .. ',', 1, true)
    if number > since and not seen then
      local taken = true
      if context.count == 0 or number >= tonumber(context.newest) then
        context.events = context.events .. line
        context.newest = ts
      else
        local from, before = place(context.events, number)
        if not from then return nil end
        taken = before > 0 or context.count < limit
        if taken then
          context.events = string.sub(context.events, 1, from - 1) .. line ..
            string.sub(context.events, from)
        end
      end
      if taken then
        context.count = context.count + 1
        while context.count > limit do
          local second = string.find(context.events, '\n', 2, true) or #context.events + 1
          context.events = string.sub(context.events, second)
          context.count = context.count - 1
          context.dropped = context.dropped + 1
        end
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
