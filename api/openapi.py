"""The OpenAPI document: what FastAPI derives, and the parts that it cannot see."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api.replies import ProblemReply

_FRAMEWORKS_OWN = "HTTPValidationError"
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document as JSON; made anew, so the caller caches it."""
    made = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    _, schemas = models_json_schema(
        [(ProblemReply, "serialization")], ref_template="#/components/schemas/{model}"
    )
    components = made.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas["$defs"])
    for unused in (_FRAMEWORKS_OWN, "ValidationError"):
        components["schemas"].pop(unused, None)
    for operation in (o for path in made["paths"].values() for o in path.values()):
        # FastAPI adds its own 422 to every route with a parameter, even one that takes any string.
        if _FRAMEWORKS_OWN in str(operation["responses"].get("422")):
            del operation["responses"]["422"]
    components["securitySchemes"] = _KEYS
    made["security"] = [{}, *({name: []} for name in _KEYS)]
    return made


def install(app: FastAPI) -> None:
    """Serve the document, made when first asked for."""

    def cached() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = cached  # type: ignore[method-assign]  # FastAPI's documented way
