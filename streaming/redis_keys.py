"""The keys of a member in Redis.

The hash tag ``{u:<user id>}`` keeps them on one slot of a cluster, so that a script may touch them
together. A user id with a brace in it ends the tag early, for all of its keys alike.

Scripts declare all keys that a caller can name. Those of a member's prompts (`prompt`) they find by
the list of vocabularies (`prompts`), since another release may have put them there: to name them, a
caller would have to read the list before each call, and could still be late.
"""

# Set once a store is in use: its absence tells an emptied one.
EPOCH = "genpage:epoch"
# Set once a data folder was taken in whole.
LOADED = "genpage:loaded"
# Which partitions of the log an epoch has all of; on the epoch's slot.
FILLED = "genpage:{genpage:epoch}:filled"

# Written to see whether writes work again.
PROBE = "genpage:probe"


def context(user_id: str) -> str:
    """History and profile."""
    return f"genpage:{{u:{user_id}}}:ctx"


def erased(user_id: str) -> str:
    """The tombstone: until when the member was erased."""
    return f"genpage:{{u:{user_id}}}:erased"


def prompts(user_id: str) -> str:
    """The vocabularies that the member's prompt is cached for, newest first."""
    return f"genpage:{{u:{user_id}}}:prompts"


def prompt(user_id: str, vocabulary: str) -> str:
    """The encoded prompt for a vocabulary's digest; with "" the prefix of all of them."""
    return f"genpage:{{u:{user_id}}}:prompt:{vocabulary}"
