"""For whoever runs the server: is it alive, is it ready, what is it, how does it do."""

import asyncio
import time
from importlib.metadata import version as installed

from fastapi import APIRouter, Request
from prometheus_client.exposition import choose_encoder
from starlette.responses import JSONResponse, Response

from api.problems import Problem, request_id_of
from api.replies import LiveReply, ReadyReply, VersionReply
from api.routes.models import named
from api.routes.running import Running, problems
from genpage.errors import UnavailableError
from runtime.cpu import cpu_note

router = APIRouter(tags=["operation"])
# How long a scrape waits for the engine, which answers between passes. Seconds.
STATS_S = 1.0


@router.get("/livez", summary="The process answers")
async def live() -> LiveReply:
    """Restart the process where this fails."""
    return LiveReply(status="live")


@router.get(
    "/readyz",
    summary="Pages can be asked for",
    response_class=Response,
    responses={200: {"model": ReadyReply}, **problems(503)},
)
async def ready(request: Request, server: Running) -> Response:
    """The state of each part. 503 without a bundle, while draining, or where a part has ended."""
    parts = server.parts
    # What is away comes back; a server without it is worth more than none.
    heals = {"away", "joining", "stale"}
    wrong = [f"{part}: {state}" for part, state in parts.items() if state not in {"ok", *heals}]
    if not wrong:
        return JSONResponse({"status": "ready", "parts": parts})
    code = "draining" if server.draining else "not-ready"
    problem = Problem(503, code, "; ".join(wrong), retryable=True, extra={"parts": parts})
    return problem.response(request_id_of(request))


@router.get("/version", summary="What runs here")
async def version(server: Running) -> VersionReply:
    """Build, bundle and catalog, and what the browser may ask for."""
    model = server.models.active
    return VersionReply(
        version=installed("genpage"),
        model=named(model),
        catalog_version=None if model is None else model.catalog.version,
        console=server.options.console,
        auth=server.options.keys.on,
        clock=server.stores.newest,
        processor=cpu_note(),
        exact=None if model is None else model.exact,
    )


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def metrics(request: Request, server: Running) -> Response:
    """In the text format, or OpenMetrics where asked for."""
    await _refresh(server)
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(server.metrics.registry), headers={"Content-Type": content_type})


async def _refresh(server: Running) -> None:
    """Set the gauges that are read off the engine."""
    gauges, model = server.metrics, server.models.active
    if model is not None:
        gauges.checkpoint_age.set(max(0.0, time.time() - model.created_at))
    try:
        async with asyncio.timeout(STATS_S):
            stats = await server.worker.stats()
    except (UnavailableError, TimeoutError):  # the gauges stay as they were
        return
    gauges.pages_live.set(stats.live)
    gauges.pages_waiting.set(stats.waiting)
    gauges.kv_bytes.set(stats.kv_bytes)
    gauges.kv_usage.set(stats.kv_bytes / server.worker.limits.kv_bytes)
    gauges.evicted(stats.evictions)
    gauges.guessed(stats.guesses)
