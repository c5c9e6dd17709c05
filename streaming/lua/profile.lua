-- Folds a profile in. KEYS: context, tombstone, list of prompts.
-- ARGV: user, ttl, profile, its ts, prefix of the prompts' keys.
-- Returns whether it changed something. The encoded prompts hold no profile: they stay good.
local user, ttl, profile, ts = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local since, floor = erased(KEYS[2])
if ts <= since then return 0 end
local context = read(KEYS[1], user) or newcomer(KEYS[1], user, floor)
local held = time_of(profile_of(context))
if context.profile == profile or (held and ts < held) then return 0 end
local keys = {}
for n, vocabulary in ipairs(vocabularies_of(KEYS[3])) do
  keys[n] = ARGV[5] .. vocabulary
end
local prompts = prompts_of(keys, context)
context.profile = profile
touch(context, ts)
write(context, ttl)
keep_up(prompts, context)
return 1
