-- Folds profiles in, in the order given.
-- KEYS: for each profile: context, tombstone, list of prompts.
-- ARGV: for each profile: user, ttl, profile, its ts, prefix of the prompts' keys.
-- Returns how many changed something. The encoded prompts hold no profile: they stay good.
local changed = 0

local function put(key, tombstone, listed, user, ttl, profile, ts, prefix)
  local since, floor = erased(tombstone)
  if ts <= since then return end
  local context = read(key, user) or newcomer(key, user, floor)
  local held = time_of(profile_of(context))
  if context.profile == profile or (held and ts < held) then return end
  local keys = {}
  for n, vocabulary in ipairs(vocabularies_of(listed)) do keys[n] = prefix .. vocabulary end
  local prompts = prompts_of(keys, context)
  context.profile = profile
  touch(context, ts)
  write(context, ttl)
  keep_up(prompts, context)
  changed = changed + 1
end

for n = 0, #KEYS / 3 - 1 do
  local key, arg = 3 * n, 5 * n
  put(KEYS[key + 1], KEYS[key + 2], KEYS[key + 3], ARGV[arg + 1], ARGV[arg + 2], ARGV[arg + 3],
    tonumber(ARGV[arg + 4]), ARGV[arg + 5])
end
return changed
