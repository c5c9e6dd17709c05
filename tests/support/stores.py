"""Context stores of each kind, for tests that hold all of them to the same."""

from collections.abc import Callable

from streaming.ports import ContextStore
from streaming.recent import Recent
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore

# When members are erased, in these tests.
ERASED_AT = 1_000.0
# Makes a store that keeps so many events of a member.
MakeStore = Callable[[int], ContextStore]


def redis_store(client: RedisClient, history: int = 512) -> RedisContextStore:
    """A context store over that client."""
    return RedisContextStore(client, Recent(), history=history, clock=lambda: ERASED_AT)
