-- Forgets a member's encoded prompts. KEYS: list of prompts. ARGV: prefix of the prompts' keys.
for _, vocabulary in ipairs(vocabularies_of(KEYS[1])) do
  redis.call('DEL', ARGV[1] .. vocabulary)
end
return redis.call('DEL', KEYS[1])
