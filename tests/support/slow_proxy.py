"""A TCP proxy that holds replies back, for tests of what a slow server does to its clients."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class SlowProxy:
    """An async context manager; in front of a port of 127.0.0.1.

    ``delay`` says for each piece of a reply how long it is held back, in seconds; what a
    connection carries stays in order.
    """

    def __init__(self, port: int, delay: Callable[[], float]) -> None:
        self.delay = delay
        self._behind = port
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *failure: object) -> None:
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        if self._pumps:
            await asyncio.wait(self._pumps)
        for writer in self._writers:
            writer.transport.abort()
        closed = (writer.wait_closed() for writer in self._writers)
        await asyncio.gather(*closed, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_behind = await asyncio.open_connection("127.0.0.1", self._behind)
        self._writers += (writer, to_behind)
        for pump in (self._pump(reader, to_behind), self._pump(behind, writer, self.delay)):
            task = asyncio.create_task(pump)
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        delay: Callable[[], float] | None = None,
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(65_536):
                if delay is not None:
                    await asyncio.sleep(self.delay())
                writer.write(piece)
                await writer.drain()
        writer.close()
