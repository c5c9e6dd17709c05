"""Every context store and prompt cache, behind one fixture each; a Redis twin adds one line."""

import pytest

from streaming.memory import MemoryContextStore, MemoryPromptCache
from streaming.ports import ContextStore, PromptCache


@pytest.fixture(params=["memory"])
def store(request: pytest.FixtureRequest) -> ContextStore:
    """An empty context store of each kind."""
    stores = {"memory": MemoryContextStore}
    return stores[request.param]()


@pytest.fixture(params=["memory"])
def cache(request: pytest.FixtureRequest) -> PromptCache:
    """An empty prompt cache of each kind."""
    caches = {"memory": MemoryPromptCache}
    return caches[request.param]()
