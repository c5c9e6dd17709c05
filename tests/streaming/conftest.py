"""Every context store and prompt cache, behind one fixture each: in memory and in a real Redis."""

from collections.abc import AsyncIterator

import pytest
from stores import ERASED_AT, Kept, MakeKept, MakeStore, redis_store

from deploy.services import RedisServer
from streaming.memory import MemoryContextStore, MemoryPromptCache
from streaming.ports import ContextStore, PromptCache, Vocabularies
from streaming.redis_client import RedisClient
from streaming.redis_prompts import RedisPromptCache
from streaming.redis_url import Waiting


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[RedisClient]:
    """A client of an empty Redis."""
    async with RedisClient(redis_server.url, waiting=Waiting(10.0, 10.0)) as client:
        await client.call(lambda redis: redis.flushall())
        yield client


@pytest.fixture(params=["memory", "redis"])
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    """Makes context stores of each kind; those in Redis share what they hold."""
    if request.param == "memory":
        return lambda history: MemoryContextStore(history=history, clock=lambda: ERASED_AT)
    client: RedisClient = request.getfixturevalue("client")
    return lambda history: redis_store(client, history)


@pytest.fixture
def store(make_store: MakeStore) -> ContextStore:
    """An empty context store of each kind."""
    return make_store(512)


@pytest.fixture(params=["memory", "redis"])
def cache(request: pytest.FixtureRequest) -> PromptCache:
    """An empty prompt cache of each kind."""
    if request.param == "memory":
        return MemoryPromptCache()
    return RedisPromptCache(request.getfixturevalue("client"))


@pytest.fixture(params=["memory", "redis"])
def make_kept(request: pytest.FixtureRequest) -> MakeKept:
    """Makes stores of each kind with the prompt cache that they keep up."""
    if request.param == "memory":

        def in_memory(vocabularies: Vocabularies, history: int) -> Kept:
            prompts = MemoryPromptCache()
            made = MemoryContextStore(history=history, prompts=prompts, vocabularies=vocabularies)
            return Kept(made, prompts)

        return in_memory
    client: RedisClient = request.getfixturevalue("client")

    def in_redis(vocabularies: Vocabularies, history: int) -> Kept:
        return Kept(redis_store(client, history, vocabularies), RedisPromptCache(client))

    return in_redis
