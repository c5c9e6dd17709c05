"""uvicorn with a graceful end: the first signal drains, the exit code is 0."""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType

import uvicorn

from api.app import create_app
from api.server import Server
from api.sse import until_first

# After the pages have ended, what is left of answers and connections; seconds.
_LAST_BYTES_S = 3


class HttpServer(uvicorn.Server):
    """Serves one `Server` until SIGTERM or SIGINT.

    The listening socket stays open while draining, so that ``/readyz`` says 503 and running streams
    can be followed; new pages are refused. A second signal ends it at once.
    """

    def __init__(
        self,
        server: Server,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        when_listening: Callable[[list[str]], None] | None = None,
        when_draining: Callable[[], None] | None = None,
    ) -> None:
        """Without a socket given to `run`, it listens on ``host`` and ``port``."""
        config = uvicorn.Config(
            create_app(server),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_LAST_BYTES_S,
        )
        super().__init__(config)
        self._server = server
        self._when_listening = when_listening
        self._when_draining = when_draining
        self._told = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()

    async def main_loop(self) -> None:
        """Tick until the drain that a signal begins is over."""
        self._loop = asyncio.get_running_loop()
        self._server.log.info("listening", addresses=self.addresses())
        if self._when_listening is not None:
            self._when_listening(self.addresses())
        if self._told:
            self._ending.set()
        await until_first(super().main_loop(), self._drain())

    def addresses(self) -> list[str]:
        """Where it listens, as URLs."""
        names = [s.getsockname() for server in self.servers for s in server.sockets]
        hosts = [(f"[{name[0]}]" if ":" in name[0] else name[0], name[1]) for name in names]
        return [f"http://{host}:{port}" for host, port in hosts]

    def end(self) -> None:
        """Begin to drain; a second time, stop at once. Safe in a signal handler."""
        if self._told:
            self.should_exit = True
        self._told = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """A signal came. Not recorded: uvicorn raises recorded ones again when all is done."""
        if sig in {signal.SIGTERM, signal.SIGINT}:
            self.end()

    async def _drain(self) -> None:
        await self._ending.wait()
        if self._when_draining is not None:
            self._when_draining()
        await self._server.drain()
        self.should_exit = True
