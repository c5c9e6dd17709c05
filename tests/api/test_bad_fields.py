"""Fields that are wrong: each is named, with what would have been allowed, and it serves on."""

import time

import httpx
import pytest
from problems import problem, wrong_fields

pytestmark = pytest.mark.usefixtures("serves_on")
JSON = {"content-type": "application/json"}
PAGE = {"user_id": "ada", "rows": 2, "entities_per_row": 3}
EVENT = {"user_id": "ada", "entity_id": "e1", "action": "play"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "applaud"}, "action"),
        ({"action": None}, "action"),
        ({"entity_id": ""}, "entity_id"),
        ({"entity_id": "x" * 129}, "entity_id"),
        ({"entity_id": 7}, "entity_id"),
        ({"user_id": "a\nb"}, "user_id"),
        ({"duration_s": -1.0}, "duration_s"),
        ({"duration_s": "60"}, "duration_s"),
        ({"ts": -1.0}, "ts"),
        ({"ts": "2026-05-01T20:00:00Z"}, "ts"),
        ({"row_pos": -1}, "row_pos"),
        ({"col_pos": 1.5}, "col_pos"),
        ({"watched": True}, "watched"),
    ],
)
async def test_a_wrong_field_of_an_event_is_named(
    client: httpx.AsyncClient, change: dict[str, object], field: str
) -> None:
    """Alone, in a list, and among a page's engagements."""
    wrong = {**EVENT, **change}
    assert wrong_fields(await client.post("/v1/events", json=wrong)) == [field]
    assert wrong_fields(await client.post("/v1/events", json=[EVENT, wrong])) == [f"1.{field}"]
    page = await client.post("/v1/pages", json={**PAGE, "engagements": [wrong]})
    assert wrong_fields(page) == [f"engagements.0.{field}"]


async def test_a_time_far_ahead_is_refused_with_the_limit(client: httpx.AsyncClient) -> None:
    """Five minutes of a client's clock are forgiven; milliseconds taken for seconds are not."""
    soon = {**EVENT, "ts": time.time() + 200}
    assert (await client.post("/v1/events", json=soon)).status_code == 202
    for ts in (time.time() + 400, time.time() * 1000):
        answer = await client.post("/v1/events", json={**EVENT, "ts": ts})
        assert wrong_fields(answer) == ["ts"]
        assert "5 minutes" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("2026-05-01T20:00:00", "add Z or an offset"),
        ("yesterday", "ISO 8601"),
        (1_777_622_400, "ISO 8601"),
        ("9999-01-01T00:00:00Z", "one year ahead"),
        ("0001-01-01T00:00:00Z", "1970"),
        ("2026-13-01T00:00:00Z", "ISO 8601"),
    ],
)
async def test_a_wrong_clock_is_refused_with_the_way_out(
    client: httpx.AsyncClient, at: object, why: str
) -> None:
    """A naive time most of all: it would mean another moment on each machine."""
    answer = await client.post("/v1/pages", json={**PAGE, "at": at})
    assert wrong_fields(answer) == ["at"]
    assert why in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field", "limit"),
    [
        ({"rows": 0}, "rows", "1"),
        ({"rows": -3}, "rows", "1"),
        ({"rows": 41}, "rows", "40"),
        ({"rows": 10_000}, "rows", "40"),
        ({"entities_per_row": 0}, "entities_per_row", "1"),
        ({"entities_per_row": 101}, "entities_per_row", "100"),
        ({"user_id": ""}, "user_id", "must be 1 to 128 printable characters"),
        ({"user_id": "x" * 129}, "user_id", "must be 1 to 128 printable characters"),
        ({"user_id": "a\x00b"}, "user_id", "must be 1 to 128 printable characters"),
        ({"user_id": "a\u200bb"}, "user_id", "must be 1 to 128 printable characters"),
        ({"exclude": ["a\n"]}, "exclude.0", "must be 1 to 128 printable characters"),
        ({"exclude": ["e1"] * 1_001}, "exclude", "1000"),
        ({"engagements": [EVENT] * 1_001}, "engagements", "1000"),
        ({"deadline_ms": 0}, "deadline_ms", "1"),
        ({"temperature": -0.1}, "temperature", "0"),
        ({"seed": -1}, "seed", "0"),
        ({"device": "fridge"}, "device", "'tv'"),
        ({"locale": "not a locale"}, "locale", "BCP 47 tag of at most 35 characters"),
        ({"locale": "en\n"}, "locale", "BCP 47 tag of at most 35 characters"),
        ({"locale": "en-" + "x-" * 20 + "x"}, "locale", "BCP 47 tag of at most 35 characters"),
    ],
)
async def test_a_field_past_its_limit_is_named_with_the_limit(
    client: httpx.AsyncClient, change: dict[str, object], field: str, limit: str
) -> None:
    """The text says what would have been allowed."""
    answer = await client.post("/v1/pages", json={**PAGE, **change})
    assert wrong_fields(answer) == [field]
    assert limit in answer.json()["detail"]


async def test_the_limits_themselves_are_allowed(client: httpx.AsyncClient) -> None:
    """40 rows, 100 entities a row, lists of 1,000, 128 characters of any script."""
    body = {
        "user_id": "\u00e9" * 128,
        "rows": 40,
        "entities_per_row": 100,
        "exclude": [f"x{n}" for n in range(1_000)],
        "engagements": [{"entity_id": "e1", "action": "play"}] * 1_000,
    }
    page = await client.post("/v1/pages", json=body)
    assert page.status_code == 200
    assert page.json()["finish_reason"] == "exhausted"
    events = [{**EVENT, "event_id": f"n{n}"} for n in range(1_000)]
    assert (await client.post("/v1/events", json=events)).json()["accepted"] == 1_000
    assert "1000" in (await client.post("/v1/events", json=[*events, EVENT])).json()["detail"]


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
async def test_nan_and_infinity_are_refused(client: httpx.AsyncClient, number: bytes) -> None:
    """Wherever a number may stand."""
    for field in (b"temperature", b"rows", b"seed"):
        body = b'{"user_id":"ada","%b":%b}' % (field, number)
        answer = await client.post("/v1/pages", content=body, headers=JSON)
        assert wrong_fields(answer) == [field.decode()]
    for field in (b"ts", b"duration_s"):
        body = b'{"user_id":"ada","entity_id":"e1","action":"play","%b":%b}' % (field, number)
        answer = await client.post("/v1/events", content=body, headers=JSON)
        assert wrong_fields(answer) == [field.decode()]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_id": 17}, "user_id"),
        ({"user_id": None}, "user_id"),
        ({"rows": "10"}, "rows"),
        ({"rows": 2.5}, "rows"),
        ({"rows": True}, "rows"),
        ({"rows": [3]}, "rows"),
        ({"exclude": "e1"}, "exclude"),
        ({"exclude": [1]}, "exclude.0"),
        ({"engagements": {}}, "engagements"),
        ({"continue_from": 5}, "continue_from"),
        ({"row": 10}, "row"),
    ],
)
async def test_wrong_types_and_unknown_fields_are_named(
    client: httpx.AsyncClient, change: dict[str, object], field: str
) -> None:
    """Nothing is guessed: a number in quotes is a string."""
    assert wrong_fields(await client.post("/v1/pages", json={**PAGE, **change})) == [field]


async def test_half_of_a_surrogate_pair_is_refused(client: httpx.AsyncClient) -> None:
    """It is no character, so it cannot be printed."""
    body = b'{"user_id":"\\ud83d"}'
    assert wrong_fields(await client.post("/v1/pages", content=body, headers=JSON)) == ["user_id"]


async def test_another_members_engagement_is_refused(client: httpx.AsyncClient) -> None:
    """What somebody else did cannot be on this member's page."""
    body = {**PAGE, "engagements": [{**EVENT, "user_id": "bob"}]}
    answer = await client.post("/v1/pages", json=body)
    assert "engagements.0.user_id" in problem(answer, 422, "invalid-input")["detail"]


async def test_a_list_with_one_bad_event_is_taken_not_at_all(client: httpx.AsyncClient) -> None:
    """The good ones before the bad one are not known afterwards."""
    answer = await client.post("/v1/events", json=[EVENT, {**EVENT, "action": "applaud"}])
    assert wrong_fields(answer) == ["1.action"]
    problem(await client.get("/v1/users/ada/context"), 404, "not-found")
