"""Who may reach the admin routes, and where.

Off loopback they are there for admin keys alone, and without any they are not there at all. With
``--admin-port`` they are on that port and on no other. An API key is not enough for them, and an
admin key is no API key.
"""

from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth import Keys, presented
from api.problems import Problem

TREE = "/admin/"
# What else answers on the admin port.
_PROBES = frozenset({"/livez", "/readyz", "/metrics", "/version", "/openapi.json"})
_NOT_HERE = Problem(
    404, "not-found", "There is nothing at this address; /openapi.json lists what there is."
)
_OFF = Problem(
    404,
    "admin-off",
    "The admin routes are off: beyond loopback they need --admin-keys or --admin-keys-file.",
)


@dataclass(frozen=True, slots=True)
class AdminAccess:
    """The admin keys; ``local`` says that only this machine can reach the server."""

    keys: Keys = field(default_factory=Keys)
    local: bool = True
    port: int | None = None

    def refusal(self, path: str, port: int | None, key: str | None) -> Problem | None:
        """Why a call is refused, None where this has nothing against it."""
        elsewhere = self.port is not None and port != self.port
        if not path.startswith(TREE):
            here_alone = self.port is not None and port == self.port and path not in _PROBES
            return _NOT_HERE if here_alone else None
        if elsewhere:
            return _NOT_HERE
        if not self.keys.on:
            return None if self.local else _OFF
        return self.keys.refusal(path, key)


class AdminGate:
    """ASGI middleware; marks what came with an admin key, so that no API key is asked for too."""

    def __init__(self, app: ASGIApp, *, access: AdminAccess) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            path = scope["path"]
            port = scope["server"][1] if scope.get("server") else None
            refusal = self._access.refusal(path, port, presented(Headers(scope=scope)))
            if refusal is not None:
                await refusal.response(scope["request_id"])(scope, receive, send)
                return
            scope["admin"] = path.startswith(TREE) and self._access.keys.on
        await self._app(scope, receive, send)
