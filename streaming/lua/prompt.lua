-- Remembers an encoded prompt. KEYS: prompt, list of prompts, tombstone.
-- ARGV: vocabulary, value, ttl, context version, prefix of the prompts' keys.
-- One vocabulary beside the newest is kept, for a rollback; a prompt from before the member was
-- erased is not.
local since, floor = erased(KEYS[3])
local version = tonumber(ARGV[4])
if version and version <= floor then return 0 end
redis.call('LREM', KEYS[2], 0, ARGV[1])
redis.call('LPUSH', KEYS[2], ARGV[1])
for _, old in ipairs(redis.call('LRANGE', KEYS[2], 2, -1)) do
  redis.call('DEL', ARGV[5] .. old)
end
redis.call('LTRIM', KEYS[2], 0, 1)
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
