-- Encoded prompts, and how an event is appended to one. The layout is streaming/prompt_value.py's;
-- here only its head is read and written.
local PROMPT = '<c4I4ddI4I4'
local PROMPT_MAGIC, PROMPT_HEAD = 'GPP2', 32

-- The head of a prompt that stands for the context as it is; nil where it is for another one.
local function prompt_of(key, context)
  local text = redis.pcall('GETRANGE', key, 0, PROMPT_HEAD - 1)
  if type(text) ~= 'string' or #text < PROMPT_HEAD then return nil end
  local magic, size, anchor, revision, oldest, last = struct.unpack(PROMPT, text)
  if magic ~= PROMPT_MAGIC or revision ~= context.revision then return nil end
  if redis.call('STRLEN', key) ~= size then return nil end
  return { key = key, size = size, anchor = anchor, oldest = oldest, last = last, tail = {} }
end

-- The vocabularies that a member's prompt is held for. What stands there and is no list goes: an
-- error would come back for as long as the key is there, and with it the log would wait.
local function vocabularies_of(key)
  local listed = redis.pcall('LRANGE', key, 0, -1)
  if not listed.err then return listed end
  redis.call('DEL', key)
  return {}
end

-- The prompts of a member for each vocabulary, by its number.
local function prompts_of(keys, context)
  local prompts = {}
  for number, key in ipairs(keys) do
    prompts[number] = prompt_of(key, context)
  end
  return prompts
end

-- Takes in the tokens of an event that came last and is in the context; false where the prompt must
-- be encoded anew. `gap` is what its time token differs by from that of an event right after
-- another.
local function extend(prompt, tokens, day, gap, context)
  if day ~= prompt.anchor or context.dropped > prompt.oldest or
      context.dropped + context.count > prompt.last then
    return false
  end
  prompt.tail[#prompt.tail + 1] = string.sub(tokens, 1, 8) ..
    struct.pack('<i4', struct.unpack('<i4', tokens, 9) + gap) .. string.sub(tokens, 13)
  return true
end

-- Says that the prompts stand for the context as it is now, with what they were extended by.
local function keep_up(prompts, context)
  for _, prompt in pairs(prompts) do
    local tail = table.concat(prompt.tail)
    if #tail > 0 then redis.call('APPEND', prompt.key, tail) end
    redis.call('SETRANGE', prompt.key, 0, struct.pack(PROMPT, PROMPT_MAGIC, prompt.size + #tail,
      prompt.anchor, context.revision, prompt.oldest, prompt.last))
  end
end
