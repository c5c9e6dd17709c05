-- Folds a profile in. KEYS: context, tombstone. ARGV: user, ttl, profile, its ts.
-- Returns whether it changed something.
local user, ttl, profile, ts = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local since, floor = erased(KEYS[2])
if tonumber(ts) <= since then return 0 end
local context = read(KEYS[1], user) or newcomer(floor)
local held = time_of(context.profile)
if context.profile == profile or (held and tonumber(ts) < held) then return 0 end
context.profile = profile
touch(context, ts)
write(KEYS[1], user, context, ttl)
return 1
