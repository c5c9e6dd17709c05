"""The OpenAPI document: true, complete, and the server holds to it whatever is sent."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from api import examples
from api.app import create_app
from api.fake import FakeServer
from api.uvicorn_server import HttpServer
from runtime.limits import Limits


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server with a loop and a thread of its own: schemathesis calls it from outside."""
    fake = FakeServer.of(limits=Limits(batch=4, queue=60))
    found: list[str] = []
    ready = threading.Event()

    def announce(addresses: list[str]) -> None:
        found.extend(addresses)
        ready.set()

    http = HttpServer(fake.server, when_listening=announce)
    thread = threading.Thread(target=lambda: asyncio.run(http.serve()))
    thread.start()
    assert ready.wait(30)
    yield found[0]
    http.end()
    thread.join()
    assert not [line for line in fake.logbook.lines if "exc_info" in line]


DOCUMENT = create_app(FakeServer.of().server).openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


@SCHEMA.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
def test_every_operation_answers_as_documented(case: Case[Any], address: str) -> None:
    """Valid and broken requests alike: documented statuses, types and shapes, never a 500."""
    case.call_and_validate(
        base_url=address,
        timeout=20,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
            unsupported_method,
        ],
    )


def test_every_operation_says_what_it_does_and_how_it_fails() -> None:
    """A summary, a description, and a problem document for every failure."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert "application/problem+json" in answer["content"], (method, path, status)


@pytest.mark.parametrize("name", examples.PAGE_BODIES)
async def test_page_examples_can_be_sent(client: httpx.AsyncClient, name: str) -> None:
    """What the document shows is what works."""
    answer = await client.post("/v1/pages", json=examples.PAGE_BODIES[name]["value"])
    assert answer.status_code == 200
    assert set(answer.json()) == set(examples.PAGE)
    row = answer.json()["rows"][0]
    assert set(row) == set(examples.PAGE["rows"][0])
    assert set(row["entities"][0]) == set(examples.PAGE["rows"][0]["entities"][0])


@pytest.mark.parametrize("name", examples.EVENT_BODIES)
async def test_event_examples_can_be_sent(client: httpx.AsyncClient, name: str) -> None:
    """One and several."""
    answer = await client.post("/v1/events", json=examples.EVENT_BODIES[name]["value"])
    assert answer.status_code == 202
