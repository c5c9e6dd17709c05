"""Which names this server answers to while it asks for no keys.

Without keys it is served on loopback only, and there a page of another site could still reach it:
by a name of its own that it points to 127.0.0.1 (DNS rebinding), which makes both one site to the
browser. The ``Host`` header then has that name. An address cannot be pointed elsewhere, and what
sends no ``Host`` at all (HTTP/1.0) is no browser.
"""

import re
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import Problem

_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(?::\d{0,5})?")
_ELSEWHERE = Problem(
    421,
    "misdirected-request",
    "Without keys this server answers to localhost, 127.0.0.1 and [::1] only; use one of these in "
    "the address, or set keys.",
)


class HostGate:
    """ASGI middleware: 421 for any other name, unless keys are asked for (``keyed``)."""

    def __init__(self, app: ASGIApp, *, keyed: bool) -> None:
        self._app = app
        self._keyed = keyed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if (
            scope["type"] != "http"
            or self._keyed
            or _is_local(Headers(scope=scope).getlist("host"))
        ):
            await self._app(scope, receive, send)
        else:
            await _ELSEWHERE.response(scope["request_id"])(scope, receive, send)


def _is_local(hosts: list[str]) -> bool:
    if not hosts:
        return True
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if match is None:
        return False
    name = match["six"] or match["name"]
    if name.lower() == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
