"""The name of what is in Redis, amid a failover."""

import pytest
from stores import redis_store

from api.fake import Logbook
from genpage.errors import UnavailableError
from streaming import redis_epoch
from streaming.redis_client import Commands, RedisClient
from streaming.redis_epoch import RedisEpoch


async def test_the_old_masters_id_names_nothing_of_the_new_one(
    client: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amid a failover it may still answer on a connection of before: one epoch, and not three."""
    epoch = RedisEpoch(client, redis_store(client), Logbook().logger())
    with monkeypatch.context() as amid:
        amid.setattr(redis_epoch, "_run_ids", old_master)
        with pytest.raises(UnavailableError):
            await epoch.begin()
        assert await client.values("genpage:epoch") == [None]
    name = await epoch.begin()
    with monkeypatch.context() as amid:
        amid.setattr(redis_epoch, "_run_ids", old_master)
        with pytest.raises(UnavailableError):
            await epoch.begin()
    assert await epoch.begin() == name


async def test_another_server_that_answers_for_long_is_told_once(
    client: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is applied meanwhile; a failover, which is over soon, is not told of."""
    logbook = Logbook()
    epoch = RedisEpoch(client, redis_store(client), logbook.logger())

    async def asked(times: int) -> int:
        for _ in range(times):
            with pytest.raises(UnavailableError):
                await epoch.begin()
        return sum("another Redis answers" in line["event"] for line in logbook.lines)

    with monkeypatch.context() as amid:
        amid.setattr(redis_epoch, "_run_ids", old_master)
        assert await asked(2) == 0
    await epoch.begin()
    monkeypatch.setattr(redis_epoch, "AMID_S", 0.0)
    for told in (1, 2):
        with monkeypatch.context() as lasting:
            lasting.setattr(redis_epoch, "_run_ids", old_master)
            assert await asked(3) == told
        await epoch.begin()


async def old_master(_: Commands) -> list[str]:
    """A server that is not asked for the epoch's name."""
    return ["0" * 40]
