"""What every prompt cache must do."""

import numpy as np

from streaming.memory import MemoryPromptCache
from streaming.ports import CachedHistory, PromptCache


def history(version: str) -> CachedHistory:
    """A history of two tokens, told apart by its version."""
    tokens = np.array([7, 8], np.int32)
    return CachedHistory(version, 0.0, tokens, tokens)


async def test_a_put_is_read_back_for_its_vocabulary_alone(cache: PromptCache) -> None:
    """Another vocabulary's tokens are never handed out."""
    await cache.put("ada", "v1", history("3"))
    held = await cache.get("ada", "v1")
    assert held is not None
    assert held.context_version == "3"
    assert np.array_equal(held.history, [7, 8])
    assert await cache.get("ada", "v2") is None
    assert await cache.get("bob", "v1") is None


async def test_the_newest_put_wins(cache: PromptCache) -> None:
    """One history a member and vocabulary."""
    await cache.put("ada", "v1", history("3"))
    await cache.put("ada", "v1", history("4"))
    held = await cache.get("ada", "v1")
    assert held is not None
    assert held.context_version == "4"


async def test_erasing_takes_every_vocabulary(cache: PromptCache) -> None:
    """Nothing of an erased member stays encoded."""
    await cache.put("ada", "v1", history("3"))
    await cache.put("ada", "v2", history("3"))
    await cache.erase("ada")
    assert await cache.get("ada", "v1") is None
    assert await cache.get("ada", "v2") is None


async def test_the_memory_cache_is_bounded_in_members_and_vocabularies() -> None:
    """The least recently used member goes, and all but the two newest vocabularies."""
    cache = MemoryPromptCache(members=2)
    for user_id in ("ada", "bob", "cyd"):
        await cache.put(user_id, "v1", history("1"))
    assert len(cache) == 2
    assert await cache.get("ada", "v1") is None
    for vocabulary in ("v2", "v3"):
        await cache.put("cyd", vocabulary, history("1"))
    assert await cache.get("cyd", "v1") is None
    assert await cache.get("cyd", "v2") is not None
