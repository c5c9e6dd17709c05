"""Servers composed of their settings and run in this process, each with a client of it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from api.app import create_app
from api.compose import Settings, compose
from api.fake import FakeServed, Logbook, fake_catalog
from api.server import Server
from genpage.catalog import Catalog
from runtime.model import LoadedModel
from streaming.broker import Broker


class Composed(NamedTuple):
    """A server that runs, and a client of it without a socket."""

    server: Server
    client: httpx.AsyncClient


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Composed]:
    """A server of these settings, from its start to its end."""
    server = compose(settings, Logbook().logger())
    app = create_app(server)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield Composed(server, client)


def on(*, kafka: str | None = None, group: str | None = None, redis: str | None = None) -> Settings:
    """Settings of a server on these services; it serves what `any_bundle` has any folder hold.

    Without a ``group`` it reads Kafka in one that nobody else is in.
    """
    broker = None if kafka is None else Broker(kafka, group or uuid.uuid4().hex)
    return Settings(bundle=Path("bundle"), kafka=broker, redis_url=redis)


def any_bundle(patch: pytest.MonkeyPatch, catalog: Catalog | None = None) -> FakeServed:
    """Have any folder hold a bundle with a fake backend: this one."""
    served = FakeServed.of(catalog or fake_catalog(60, 6))
    patch.setattr(LoadedModel, "load", lambda *_, **__: served)
    return served
