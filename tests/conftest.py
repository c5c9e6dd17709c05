"""Settings of the whole suite, and the real services that many tests share."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from deploy.services import KafkaBroker, RedisServer

# The machines are noisy: a deadline would fail a property for a neighbour's load.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


@pytest.fixture(scope="session", autouse=True)
def quick_jvms() -> Iterator[None]:
    """Have brokers compile in one step: they run for moments, and start with a third less work."""
    with pytest.MonkeyPatch.context() as patch:
        given = os.environ.get("JDK_JAVA_OPTIONS", "")
        patch.setenv("JDK_JAVA_OPTIONS", f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC {given}")
        yield


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is remembered from one run to the next, nor left with whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis for the whole run. Tests that end or hold one start their own."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Where the run's Redis is. Others write to it too: use members or keys of your own."""
    return redis_server.url


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A real Kafka broker for the whole run. Tests that end or hold one start their own."""
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def kafka(kafka_broker: KafkaBroker) -> str:
    """The run's bootstrap address. Others write to it too: use topics and groups of your own."""
    return kafka_broker.bootstrap
