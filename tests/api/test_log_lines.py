"""What a real server's log holds over a whole run: request and page ids, and nothing of members."""

import json
from pathlib import Path

import httpx
import pytest
from kafka_clients import produce, until
from server_process import ServerProcess, fresh_group, parts
from tiny import tiny_bundle

from deploy.services import KafkaBroker, RedisServer

MEMBER = "member-who-must-not-be-logged"
KEY = "key-that-must-not-be-logged"
WRONG_KEY = "wrong-key-that-must-not-be-logged"
PASSWORD = "password-that-must-not-be-logged"
COLLECTOR = "collector-password-not-to-be-logged"
SECRETS = (MEMBER, KEY, WRONG_KEY, PASSWORD, COLLECTOR)
PAGE = {"user_id": MEMBER, "rows": 2, "entities_per_row": 2}


async def a_day(client: httpx.AsyncClient, redis: RedisServer, kafka: KafkaBroker) -> str:
    """All that a server goes through, every request about the member; the id of a page."""

    async def ready() -> bool:
        return (await parts(client)).get("events") == "ok"

    await until(ready)
    event = {"user_id": MEMBER, "entity_id": MEMBER, "action": "play"}
    assert (await client.post("/v1/events", json=event)).status_code == 202
    made = await client.post("/v1/pages", json=PAGE)
    page_id = str(made.json()["page_id"])
    for accept in ("text/event-stream", "application/json"):
        await client.post("/v1/pages", json=PAGE, headers={"accept": accept})
    # Wrong in all the ways that could have a text repeated.
    await client.post("/v1/events", json={**event, "action": MEMBER})
    await client.post("/v1/pages", json={**PAGE, "continue_from": MEMBER, "device": MEMBER})
    await client.post("/v1/pages", content=f'{{"user_id": "{MEMBER}"')
    await client.post("/v1/pages", json=PAGE, headers={"authorization": f"Bearer {WRONG_KEY}"})
    await client.get(f"/v1/pages/{MEMBER}")
    await client.get(f"/nothing/{MEMBER}?key={KEY}")
    await client.get(f"/v1/users/{MEMBER}/context?key={KEY}")
    user = MEMBER.encode()
    forged = json.dumps({**event, "event_id": MEMBER, "ts": 1.0, "action": MEMBER}).encode()
    await produce(kafka.bootstrap, [(user, b"{"), (user, forged), (MEMBER.encode() * 9, None)])

    async def buried() -> bool:
        return "genpage_dlq_total{" in (await client.get("/metrics")).text

    await until(buried)
    # What is away fails in the middle of something.
    redis.kill()
    for _ in range(3):
        await client.post("/v1/pages", json=PAGE)
    await client.post("/v1/events", json=event)
    redis.start()
    kafka.kill()
    await client.post("/v1/events", json=event)
    await client.post("/v1/pages", json=PAGE)
    await client.delete(f"/v1/users/{MEMBER}/context")
    return page_id


@pytest.mark.timeout(300)  # two services and a server, on a machine that may be busy
async def test_no_member_key_or_password_is_ever_logged(tmp_path: Path) -> None:
    """Over pages, errors, outages and the end; a line finds its page and request."""
    redis = RedisServer(tmp_path / "redis", options=("--requirepass", PASSWORD))
    kafka = KafkaBroker(tmp_path / "kafka")
    arguments = (
        *("--bundle", tiny_bundle("fp32", random=False), "--kafka", kafka.bootstrap),
        *("--redis-url", f"redis://:{PASSWORD}@127.0.0.1:{redis.port}/0"),
        *("--api-keys", KEY, "--kafka-group", fresh_group(), "--log-level", "debug"),
        *("--otlp-endpoint", f"http://user:{COLLECTOR}@127.0.0.1:9"),
    )
    with redis, kafka, ServerProcess(tmp_path / "server", *arguments) as server:
        headers = {"authorization": f"Bearer {KEY}", "x-request-id": "request-to-be-found"}
        async with httpx.AsyncClient(base_url=server.url, timeout=30, headers=headers) as client:
            page_id = await a_day(client, redis, kafka)
        assert server.end(20) == 0
    said = server.log()
    leaks = [line for line in said.splitlines() if any(secret in line for secret in SECRETS)]
    assert leaks == []
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert all("timestamp" in line and "event" in line for line in lines if "level" in line)
    requests = [line for line in lines if line.get("event") == "request"]
    assert page_id in {line.get("page_id") for line in requests}
    assert {line["request_id"] for line in requests if line["route"].startswith("/v1")} == {
        "request-to-be-found"
    }
    statuses = {line["status"] for line in requests}
    assert {200, 202, 401, 404, 422, 503} <= statuses
    events = {line.get("event") for line in lines}
    assert {"the context store is away", "the event log is away", "a message is poison"} <= events
