-- Remembers an encoded prompt. KEYS: prompt, list of prompts, tombstone.
-- ARGV: vocabulary, value, ttl, context version, prefix of the prompts' keys.
-- One vocabulary beside the newest is kept, for a rollback; a prompt from before the member was
-- erased is not, nor one older than what is there.
local since, floor = erased(KEYS[3])
local version = tonumber(ARGV[4])
if version <= floor then return 0 end
local head = redis.pcall('GETRANGE', KEYS[1], 0, PROMPT_HEAD - 1)
if type(head) == 'string' and #head == PROMPT_HEAD then
  local magic, size, anchor, held = struct.unpack(PROMPT, head)
  local _, _, wanted = struct.unpack(PROMPT, ARGV[2])
  if magic == PROMPT_MAGIC and redis.call('STRLEN', KEYS[1]) == size and held > version and
      anchor >= wanted then
    return 0
  end
end
vocabularies_of(KEYS[2])
redis.call('LREM', KEYS[2], 0, ARGV[1])
redis.call('LPUSH', KEYS[2], ARGV[1])
for number, old in ipairs(vocabularies_of(KEYS[2])) do
  if number > 2 then redis.call('DEL', ARGV[5] .. old) end
end
redis.call('LTRIM', KEYS[2], 0, 1)
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
