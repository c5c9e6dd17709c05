"""The outermost layer: request ids, one log line and one count a request, the last resort.

A log line names the route's template, never the path: paths hold member ids.
"""

import re
import time
import uuid
from typing import Final

from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from api.metrics import Metrics
from api.problems import INTERNAL
from streaming.tracing import OFF, Tracing

HEADER = "X-Request-Id"
_VALID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_QUIET = frozenset({"/livez", "/readyz", "/metrics"})
_SERVER_ERROR = 500
_TRACE_CONTEXT: Final = ("traceparent", "tracestate")


class Access:
    """ASGI middleware. A client's own ``X-Request-Id`` is kept where it is short and plain."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        log: FilteringBoundLogger,
        metrics: Metrics,
        tracing: Tracing = OFF,
    ) -> None:
        self._app = app
        self._log = log
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif not self._tracing.on or scope["path"] in _QUIET:
            await self._serve(scope, receive, send, None)
        else:
            headers = Headers(scope=scope)
            carrier = {name: headers[name] for name in _TRACE_CONTEXT if name in headers}
            with self._tracing.span("request", SpanKind.SERVER, carrier=carrier) as span:
                await self._serve(scope, receive, send, span)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, span: Span | None) -> None:
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        begun = time.perf_counter()
        status: int | None = None

        async def identified(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, identified)
        except Exception:
            self._log.exception("unhandled", request_id=request_id, route=_route(scope))
            if status is not None:
                raise  # half an answer is out: the server closes the connection
            await INTERNAL.response(request_id)(scope, receive, identified)
        finally:
            self._account(scope, request_id, status, time.perf_counter() - begun, span)

    def _account(
        self,
        scope: Scope,
        request_id: str,
        status: int | None,
        seconds: float,
        span: Span | None,
    ) -> None:
        route, method = _route(scope), _method(scope)
        self._metrics.requests.labels(route, method, status or 0).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        say = self._log.debug if route in _QUIET else self._log.info
        if (status or 0) >= _SERVER_ERROR:
            say = self._log.warning
        about = {"page_id": scope["page_id"]} if "page_id" in scope else {}
        if span is not None:
            _describe(span, scope, request_id, status)
            about["trace_id"] = f"{span.get_span_context().trace_id:032x}"
        say(
            "request",
            request_id=request_id,
            method=method,
            route=route,
            status=status,  # null: the client left before an answer began
            ms=round(seconds * 1000, 2),
            **about,
        )


def _describe(span: Span, scope: Scope, request_id: str, status: int | None) -> None:
    """By the route's template, as in the log; an answer of 500 and more is an error."""
    method, route = _method(scope), _route(scope)
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {"http.request.method": method, "http.route": route, "genpage.request_id": request_id}
    )
    if "page_id" in scope:
        span.set_attribute("genpage.page_id", scope["page_id"])
    if status is not None:
        span.set_attribute("http.response.status_code", status)
        if status >= _SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR, str(status)))


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(HEADER, "")
    return given if _VALID.fullmatch(given) else uuid.uuid4().hex


def _route(scope: Scope) -> str:
    """The template of the route that answered; the browser's files count as one."""
    if "route" in scope:
        return str(scope["route"].path)
    if scope.get("root_path"):
        return str(scope["root_path"])
    return str(scope["path"]) if "endpoint" in scope else "unmatched"


def _method(scope: Scope) -> str:
    """The method where it is a known one: anything else would grow the metrics without bound."""
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return scope["method"] if scope["method"] in known else "OTHER"
