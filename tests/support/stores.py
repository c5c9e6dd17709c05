"""Context stores of each kind, for tests that hold all of them to the same."""

from collections.abc import Callable
from dataclasses import dataclass

from streaming.ports import ContextStore, PromptCache, Vocabularies, no_vocabularies
from streaming.recent import Recent
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore

# When members are erased, in these tests.
ERASED_AT = 1_000.0
# Makes a store that keeps so many events of a member.
MakeStore = Callable[[int], ContextStore]


@dataclass(frozen=True, slots=True)
class Kept:
    """A context store and the prompt cache that it keeps up."""

    contexts: ContextStore
    prompts: PromptCache


# Makes such a pair for some vocabularies, keeping so many events of a member.
MakeKept = Callable[[Vocabularies, int], Kept]


def redis_store(
    client: RedisClient, history: int = 512, vocabularies: Vocabularies = no_vocabularies
) -> RedisContextStore:
    """A context store over that client."""
    return RedisContextStore(
        client, Recent(), vocabularies=vocabularies, history=history, clock=lambda: ERASED_AT
    )
