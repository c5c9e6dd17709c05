"""The HTTP application around a `Server`: middleware, routes, lifespan."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from api import openapi, problems, static
from api.access import Access
from api.admin_gate import AdminGate
from api.auth import KeyGate
from api.bodies import MAX_BODY_BYTES
from api.body_gate import BodyGate
from api.head import Head
from api.host_gate import HostGate
from api.routes import admin, console, entities, events, models, pages, probes, users
from api.server import Server


def create_app(server: Server) -> FastAPI:
    """The application; its lifespan starts and ends ``server``."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with server:
            yield

    app = FastAPI(
        title="GenPage",
        summary="A streaming service's whole homepage, generated and streamed row by row.",
        version=version("genpage"),
        lifespan=lifespan,
        docs_url=None,  # they fetch scripts from another host
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.server = server
    # The last one added is the outermost.
    app.add_middleware(Head)
    app.add_middleware(BodyGate, limit=MAX_BODY_BYTES)
    app.add_middleware(KeyGate, keys=server.options.keys)
    app.add_middleware(AdminGate, access=server.options.admin)
    app.add_middleware(HostGate, keyed=server.options.keys.on)
    app.add_middleware(Access, log=server.log, metrics=server.metrics, tracing=server.tracing)
    problems.install(app)
    for room in (pages, events, console, users, models, entities, admin, probes):
        app.include_router(room.router)
    static.install(app)
    openapi.install(app)
    return app
