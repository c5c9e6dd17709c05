"""Spans to an OpenTelemetry collector by OTLP over HTTP; nothing of it is loaded unless asked for.

Pages never wait for it: spans go to a bounded queue, whose oldest are dropped when it is full, and
one thread of the SDK's sends them in batches. OpenTelemetry's own variables hold for the rest:
``OTEL_TRACES_SAMPLER``, ``OTEL_EXPORTER_OTLP_HEADERS``, ``OTEL_SERVICE_NAME`` and their kin.
"""

import asyncio
import os
import threading
import uuid
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from genpage.errors import UsageError
from streaming.tracing import OFF, Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_PATH: Final = "/v1/traces"
# Spans that wait to be sent: some 150 pages of 10 rows.
QUEUE: Final = 2048
# How long one batch may take, tries included, and how long the last ones may at the end; seconds.
EXPORT_S: Final = 5.0
LAST_S: Final = 2.0


def endpoint_of(given: str | None) -> str | None:
    """Where spans go, as a whole URL; None for nowhere.

    ``given`` is a collector's base URL and goes before OpenTelemetry's variables. `UsageError` for
    what is no HTTP URL.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    whole = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    base = (given or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")).strip()
    url = whole if whole and not given else base and base.rstrip("/") + _PATH
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        # Not repeated: it may hold a password.
        raise UsageError("--otlp-endpoint must be a URL such as http://127.0.0.1:4318")
    return url


def to_collector(endpoint: str | None) -> Tracing:
    """Tracing to that whole URL; off for None. To be made where it runs, and closed."""
    if endpoint is None:
        return OFF
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - 0.2 s
        OTLPSpanExporter,
    )

    return exporting(OTLPSpanExporter(endpoint, timeout=EXPORT_S))


def exporting(exporter: "SpanExporter", *, queue: int = QUEUE) -> Tracing:
    """Tracing through a bounded queue to ``exporter``."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - 0.2 s
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    about = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME") or "genpage",
        "service.version": version("genpage"),
        "service.instance.id": uuid.uuid4().hex,
    }
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    batch = min(512, queue)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=queue, max_export_batch_size=batch)
    )

    async def close() -> None:
        """Send what is left, for as long as may be. The threads are daemons: none holds the end."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def send() -> None:
            provider.shutdown()
            with suppress(RuntimeError):  # the loop did not wait
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=send, name="last-spans", daemon=True).start()
        try:
            async with asyncio.timeout(LAST_S):
                await done.wait()
        except TimeoutError:
            exporter.shutdown()  # ends what is still under way

    return Tracing(provider.get_tracer("genpage", version("genpage")), close=close)
