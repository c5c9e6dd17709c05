"""Real servers that follow announcements on a real Kafka, and what they say of them."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from bundles import digest_of, version_of
from kafka_clients import everything_on, produce, until
from server_process import ServerProcess, fresh_group
from tiny import tiny_bundle

from genpage.cli import run
from genpage.errors import GenPageError
from streaming.broker import Broker
from streaming.missing_topics import create_missing

CHECKPOINTS, STATUS = "genpage.checkpoints", "genpage.checkpoints.status"


@pytest.fixture
def group() -> str:
    """A consumer group, and the name that its bundles are announced under."""
    return fresh_group()


@pytest.fixture
async def replicas(tmp_path: Path, kafka: str, group: str) -> AsyncIterator[list[ServerProcess]]:
    """Two servers in one group, under a model name of their own."""
    await create_missing(Broker(kafka))
    bundle = tiny_bundle("fp32", random=False)
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                ServerProcess(
                    tmp_path / name,
                    *("--bundle", bundle, "--kafka", kafka, "--kafka-group", group),
                    *("--state-dir", tmp_path / name / "state", "--replica", f"{group}-{name}"),
                    *("--model-name", group, "--swap-stagger", "0"),
                )
            )
            for name in ("one", "two")
        ]


async def test_two_servers_of_a_group_follow_an_announcement(
    kafka: str, group: str, replicas: list[ServerProcess], tmp_path: Path
) -> None:
    """Each reads the whole topic, says so, and after a kill comes back on what it had."""
    bundle = version_of(tiny_bundle("fp32", random=False), tmp_path)
    digest = digest_of(bundle)
    one, _ = replicas
    document = one.folder.joinpath("state", "active.json").read_text("utf-8")
    names = [f"{group}-one", f"{group}-two"]
    before = json.loads(document)["version"]
    announced = {
        "bundle_uri": bundle.as_uri(),
        "digest": digest,
        "created_at": time.time(),
        "rollout": {"strategy": "immediate"},
        "from": "a later version of GenPage",
    }
    await produce(kafka, [(group.encode(), json.dumps(announced).encode())], topic=CHECKPOINTS)
    for server in replicas:
        async with server.client() as client:

            async def follows() -> bool:
                models = (await client.get("/v1/models")).json()
                return bool(models["active"]["digest"] == digest)

            await until(follows)
            assert (await client.get("/v1/models")).json()["previous"]["version"] == before
            body = {"user_id": "m1", "rows": 2, "entities_per_row": 3}
            page = (await client.post("/v1/pages", json=body)).json()
            assert page["model"]["digest"] == digest

    async def both_said() -> bool:
        return len(await _said(kafka, names, digest)) == 4

    await until(both_said)
    assert await _said(kafka, names, digest) == {
        (name, event) for name in names for event in ("activated", "loaded")
    }
    await _rolled_back_and_restarted(one, before)


async def _rolled_back_and_restarted(server: ServerProcess, before: str) -> None:
    """A restart comes back on what was rolled back to, not on what is announced."""
    async with server.client() as client:
        answer = await client.post("/admin/v1/checkpoints/rollback")
        assert answer.json()["version"] == before
    server.kill()
    server.start()
    async with server.client() as client:

        async def caught_up() -> bool:
            return bool((await client.get("/readyz")).json()["parts"]["checkpoints"] == "ok")

        await until(caught_up)

        async def has_the_earlier_one() -> bool:
            return (await client.get("/v1/models")).json()["previous"] is not None

        await until(has_the_earlier_one)
        assert (await client.get("/v1/models")).json()["active"]["version"] == before
        attempts = (await client.get("/admin/v1/checkpoints")).json()["checkpoints"]
        assert attempts == []
        answer = await client.post("/admin/v1/checkpoints/rollback")
        assert answer.status_code == 200


async def _said(kafka: str, names: list[str], digest: str) -> set[tuple[str, str]]:
    """Which replica said what of a bundle, however often."""
    letters = [json.loads(letter.value or b"{}") for letter in await everything_on(kafka, STATUS)]
    return {
        (said["replica"], said["event"])
        for said in letters
        if said["replica"] in names and said["digest"] == digest
    }


async def test_the_command_publishes_to_all_and_goes_back(
    kafka: str,
    group: str,
    replicas: list[ServerProcess],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Published by Kafka, rolled back by Kafka, seen in the status; nothing is fetched again."""

    async def command(*words: str | Path) -> dict[str, Any]:
        where = ("--kafka", kafka, "--model-name", group, "--json")
        call = ["checkpoints", *map(str, words), *where]
        await asyncio.to_thread(run, call)
        document: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return document

    async def serving() -> set[str]:
        told = (await command("status"))["replicas"]
        return {status["active"]["version"] for status in told if status["active"]}

    bundle = version_of(tiny_bundle("fp32", random=False), tmp_path)
    first = set[str]()

    async def started() -> bool:
        first.update(await serving())
        return len((await command("status"))["replicas"]) == len(replicas)

    await until(started)
    with pytest.raises(GenPageError, match="no replica says"):
        await command("rollback")
    published = await command("publish", bundle)

    async def follow() -> bool:
        return await serving() == {published["version"]}

    await until(follow)
    assert [each["version"] for each in (await command("list"))["checkpoints"]][-1] == (
        published["version"]
    )
    await asyncio.to_thread(shutil.rmtree, bundle)
    went = await command("rollback")
    assert {went["version"]} == first

    async def back() -> bool:
        return await serving() == first

    await until(back)
    await command("activate", published["version"])
    await until(follow)
    with pytest.raises(GenPageError, match="no bundle of version"):
        await command("activate", "nothing")
