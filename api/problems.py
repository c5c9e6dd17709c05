"""Every error over HTTP: one RFC 9457 problem document, whatever went wrong and wherever.

``code`` names the problem for machines, ``retryable`` says whether the same request may succeed
later, ``request_id`` finds it in the log, ``errors`` names the wrong fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from api.head import has_head
from genpage.errors import GenPageError, OverloadedError, UnavailableError

MEDIA_TYPE = "application/problem+json"
# Statuses that frameworks raise by number alone.
_CODES = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
}
_RETRY_UNAVAILABLE_S = 1


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is wrong, and why."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document before it knows its request. ``detail`` is one sentence for a person."""

    status: int
    code: str
    detail: str
    retryable: bool = False
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)

    def document(self, request_id: str) -> dict[str, object]:
        """The JSON document, for the wire."""
        document: dict[str, object] = {
            "type": f"urn:genpage:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "retryable": self.retryable,
            "request_id": request_id,
        }
        if self.errors:
            document["errors"] = [{"field": e.field, "message": e.message} for e in self.errors]
        return {**document, **self.extra}

    def response(self, request_id: str) -> Response:
        """The response that carries it."""
        return Response(
            orjson.dumps(self.document(request_id)),
            status_code=self.status,
            headers=dict(self.headers),
            media_type=MEDIA_TYPE,
        )


INTERNAL = Problem(500, "internal", "Something broke on our side; the log has the request id.")


def problem_of(error: GenPageError) -> Problem:
    """The document of one of our own errors."""
    status = error.http_status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, UnavailableError):
        return Problem(status, error.code, INTERNAL.detail, retryable=error.retryable)
    headers: dict[str, str] = {}
    if isinstance(error, OverloadedError):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    elif isinstance(error, UnavailableError):
        headers["Retry-After"] = str(_RETRY_UNAVAILABLE_S)
    return Problem(status, error.code, str(error), retryable=error.retryable, headers=headers)


def invalid(errors: Sequence[FieldError], *, code: str = "invalid-input") -> Problem:
    """A 422 that names every wrong field."""
    detail = "; ".join(f"{e.field}: {e.message}" for e in errors[:5])
    return Problem(422, code, detail, errors=tuple(errors))


def request_id_of(request: Request) -> str:
    """The id that `access` gave the request."""
    return str(request.scope.get("request_id", ""))


def install(app: FastAPI) -> None:
    """Answer our errors, the framework's and validation's with problem documents."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, GenPageError)
        return problem_of(error).response(request_id_of(request))

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _problem_of_http(request, error).response(request_id_of(request))

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _problem_of_validation(error.errors()).response(request_id_of(request))

    app.add_exception_handler(GenPageError, ours)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, validation)


def _problem_of_http(request: Request, error: HTTPException) -> Problem:
    code = _CODES.get(error.status_code, "bad-request")
    detail, headers = str(error.detail), dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = "There is nothing at this address; /openapi.json lists what there is."
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
        detail = f"{request.method[:16]} does not work here; use {headers['Allow']}."
    return Problem(error.status_code, code, detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods that the path has; the framework names those of its first route alone."""
    routes = request.app.router.routes
    allowed = [
        method
        for method in ("GET", "POST", "DELETE")
        if any(r.matches({**request.scope, "method": method})[0] is Match.FULL for r in routes)
    ]
    if "GET" in allowed and has_head(request.scope["path"]):
        allowed.insert(1, "HEAD")
    return allowed


def _problem_of_validation(errors: Sequence[Any]) -> Problem:
    broken = next((e for e in errors if e["type"] == "json_invalid"), None)
    if broken is not None:
        why = broken.get("ctx", {}).get("error", broken["msg"])
        return Problem(400, "invalid-json", f"The body is not valid JSON: {why}.")
    return invalid([FieldError(field_name(e["loc"]), message(e)) for e in errors])


def field_name(location: Sequence[object]) -> str:
    """``("body", "engagements", 0, "ts")`` -> ``engagements.0.ts``."""
    parts = [str(part) for part in location]
    inner = parts[1:] if len(parts) > 1 else parts
    return ".".join(part for part in inner if not part.startswith("<")) or "body"


def message(error: Mapping[str, Any]) -> str:
    """Pydantic's sentence, without its prefix for our own validators."""
    return str(error["msg"]).removeprefix("Value error, ")
