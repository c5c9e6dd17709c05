-- Folds members' events in, in the order given, each into the context and into the encoded prompts.
-- All of the call or nothing.
-- KEYS: epoch, then for each member: context, tombstone, and a prompt for each vocabulary.
-- ARGV: the epoch that is expected ("": any), limit, number of vocabularies, hours apart that time
-- tokens tell (two edges, seconds), what the token differs by from one to the next; then for each
-- member one text: ttl, number of events, user; and for each event one: mark, ts, its midnight, how
-- much of the line tells it from others, its tokens for each vocabulary, the line.
-- Returns for each member the numbers (from 0) of those that changed something; nil for another
-- epoch.
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return nil end
local limit, vocabularies = tonumber(ARGV[2]), tonumber(ARGV[3])
local TOKENS = 16
local hour, sitting, step = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

-- Where a late event goes: the first byte of the first line that is later, and how many stand
-- before it; nil where a line has no time.
local function place(lines, ts)
  local from, before = 1, 0
  while from <= #lines do
    local next = string.find(lines, '\n', from + 1, true) or #lines + 1
    local known = time_of(string.sub(lines, from, next - 1))
    if not known then return nil end
    if known > ts then break end
    before = before + 1
    from = next
  end
  return from, before
end

-- Lets the oldest event go; false where its line does not end.
local function drop(context)
  if context.old > 0 then
    local bytes
    if context.lines then
      bytes = (string.find(context.lines, '\n', 2, true) or #context.lines + 1) - 1
      context.lines = string.sub(context.lines, bytes + 1)
    else
      local text = redis.call('GETRANGE', context.key, context.from,
        math.min(context.from + 1023, context.stop - 1))
      bytes = string.find(text, '\n', 2, true)
      if not bytes and context.old > 1 then
        lines_of(context)
        return drop(context)
      end
      bytes = bytes and bytes - 1 or context.stop - context.from
    end
    if not context.gathered then context.from = context.from + bytes end
    context.marks = string.sub(context.marks, 5)
    context.old, context.first = context.old - 1, context.first + 1
  else
    table.remove(context.tail, 1)
    table.remove(context.tail_marks, 1)
  end
  context.count = context.count - 1
  context.dropped = context.dropped + 1
end

-- Whether the event is known already: rarely more than a look at the marks.
local function seen(context, mark, line, bytes)
  if not string.find(context.marks, mark, 1, true) then
    local new = false
    for _, other in ipairs(context.tail_marks) do new = new or other == mark end
    if not new then return false end
  end
  local start = string.sub(line, 1, bytes)
  return string.find(lines_of(context), start, 1, true) or
    string.find(table.concat(context.tail), start, 1, true)
end

-- Takes an event in: "last" behind all others, "late" among them, false where it is older than all
-- of a full history; nil where a line has no time.
local function take(context, mark, line, ts)
  if context.count == 0 or ts >= context.newest then
    context.tail[#context.tail + 1] = line
    context.tail_marks[#context.tail_marks + 1] = mark
    context.newest = ts
    return 'last'
  end
  gather(context)
  local from, before = place(context.lines, ts)
  if not from then return nil end
  if before == 0 and context.count >= limit then return false end
  context.lines = string.sub(context.lines, 1, from - 1) .. line .. string.sub(context.lines, from)
  context.marks = string.sub(context.marks, 1, 4 * before) .. mark ..
    string.sub(context.marks, 4 * before + 1)
  context.old = context.old + 1
  return 'late'
end

local function gap_of(ts, newest)
  local apart = ts - newest
  if apart < hour then return 0 end
  return apart < sitting and step or 2 * step  -- and if nothing is before: not a number
end

-- What each event of a member changed; nil where a line has no time.
local function apply(context, since, at, events, prompts)
  local changed = {}
  for number = 0, events - 1 do
    local text = ARGV[at + number]
    local mark, ts, day, bytes = struct.unpack('<c4ddI2', text)
    local line = string.sub(text, 23 + TOKENS * vocabularies)
    if ts > since and not seen(context, mark, line, bytes) then
      local gap = gap_of(ts, context.newest)
      local taken = take(context, mark, line, ts)
      if taken == nil then return nil end
      if taken then
        context.count = context.count + 1
        while context.count > limit do drop(context) end
        touch(context, ts)
        changed[#changed + 1] = number
        for vocabulary, prompt in pairs(prompts) do
          local tokens = string.sub(text, 23 + TOKENS * (vocabulary - 1), 22 + TOKENS * vocabulary)
          if taken == 'late' or not extend(prompt, tokens, day, gap, context) then
            prompts[vocabulary] = nil
          end
        end
      end
    end
  end
  return changed
end

local answers, at = {}, 7
for first = 2, #KEYS, 2 + vocabularies do
  local ttl, events = struct.unpack('<I4I4', ARGV[at])
  local user = string.sub(ARGV[at], 9)
  at = at + 1
  local since, floor = erased(KEYS[first + 1])
  local context = read(KEYS[first], user)
  local changed, prompts
  if context then
    local keys = {}
    for n = 1, vocabularies do keys[n] = KEYS[first + 1 + n] end
    prompts = prompts_of(keys, context)
    changed = apply(context, since, at, events, prompts)
  end
  if not changed then
    -- Nobody yet, or lines that cannot be read: as if there were nothing.
    context, prompts = newcomer(KEYS[first], user, floor), {}
    changed = apply(context, since, at, events, prompts)
  end
  if #changed > 0 then
    if not append(context, ttl) then write(context, ttl) end
    keep_up(prompts, context)
  end
  answers[#answers + 1] = changed
  at = at + events
end
return answers
