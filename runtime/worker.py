"""The thread that owns the engine, and the bridge between it and asyncio.

asyncio sends commands through a thread-safe queue; the thread obeys them between steps and sends
outputs back with ``loop.call_soon_threadsafe``. Nothing is shared but those messages, so there is
no lock. With nothing to do the thread sleeps in the queue.

A page's outputs wait for its reader in a mailbox that is bounded by nature: at most 40 rows, which
PROTOCOLS lets a client ask for, and one ending.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from genpage.errors import ConflictError, GenPageError, OverloadedError, UnavailableError
from genpage.page import FinishReason
from runtime.cores import stay
from runtime.engine import Engine
from runtime.job import PageJob
from runtime.output import Output, PageFailed, RowDecoded
from runtime.stats import Stats

Mailbox = asyncio.Queue[Output]
Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class _Submit:
    job: PageJob
    submitted: float


@dataclass(frozen=True, slots=True)
class _Cancel:
    page_id: str


@dataclass(frozen=True, slots=True)
class _Abandon:
    """Cancels one job; unlike a page id it cannot mean a page that was taken up again since."""

    job: PageJob


@dataclass(frozen=True, slots=True)
class _CancelAll:
    reason: FinishReason


@dataclass(frozen=True, slots=True)
class _Forget:
    member: str
    reply: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class _Report:
    reply: asyncio.Future[Stats]


@dataclass(frozen=True, slots=True)
class _Close:
    pass


_Command = _Submit | _Cancel | _Abandon | _CancelAll | _Forget | _Report | _Close


class PageStream(AsyncIterator[Output]):
    """One page's outputs; ends after its `PageFinished` or `PageFailed`.

    Whoever stops reading before that abandons the page: by `aclose` (or ``async with``), or by
    dropping the stream. Whoever wants to see how it ends calls `Worker.cancel` and reads on.
    """

    def __init__(self, mailbox: Mailbox, abandon: Callable[[], None]) -> None:
        self._mailbox = mailbox
        self._abandon = abandon
        self._ended = False

    async def __anext__(self) -> Output:
        if self._ended:
            raise StopAsyncIteration
        output = await self._mailbox.get()
        self._ended = not isinstance(output, RowDecoded)
        return output

    async def aclose(self) -> None:
        """Stop reading; a page that has not ended is cancelled before the engine's next step."""
        self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def __del__(self) -> None:
        # May run on any thread and at any moment; sending a command is safe there.
        self._close()

    def _close(self) -> None:
        if not self._ended:
            self._ended = True
            self._abandon()


class Worker:
    """Runs an engine on a thread of its own. Every method belongs to the loop of `start`."""

    def __init__(self, engine: Engine, cores: Sequence[int] = ()) -> None:
        """``cores`` are those that the thread stays on, where there are any."""
        self._engine = engine
        self._cores = cores
        # What the loop may read of the engine: neither ever changes.
        self.clock = engine.clock
        self.limits = engine.limits
        self._commands = SimpleQueue[_Command]()
        self._mailboxes: dict[str, Mailbox] = {}
        self._replies: set[asyncio.Future[Any]] = set()  # Any: of whatever was asked
        self._idle = asyncio.Event()
        self._idle.set()
        self._exited = asyncio.Event()
        self._draining = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="genpage-engine", daemon=True)

    def start(self) -> None:
        """Start the thread; outputs go to the running loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs: False before `start`, after `close`, and after its death."""
        return self._thread.is_alive() and not self._exited.is_set()

    @property
    def failure(self) -> BaseException | None:
        """What the thread died of; None while it lives and after a regular `close`."""
        return self._failure

    @property
    def open(self) -> int:
        """Pages submitted whose end has not been told yet."""
        return len(self._mailboxes)

    def submit(self, job: PageJob) -> PageStream:
        """Have a page generated, whether or not its outputs are ever read.

        Raises `OverloadedError` at once when as many pages are open as the limits allow,
        `ConflictError` when one of this id is, `UnavailableError` while draining and when dead.
        """
        self._require_alive()
        if self._draining:
            raise UnavailableError("this server is draining; another one will answer.")
        if job.page_id in self._mailboxes:
            raise ConflictError(f"page {job.page_id} is being generated already.")
        if len(self._mailboxes) >= self.limits.pages:
            raise OverloadedError(
                f"{len(self._mailboxes)} pages are being generated or waiting; try again later."
            )
        # The permit: given back by the page's end, which the engine tells in every case.
        mailbox = self._mailboxes[job.page_id] = Mailbox()
        self._idle.clear()
        self._commands.put(_Submit(job, self.clock()))
        return PageStream(mailbox, partial(self._commands.put, _Abandon(job)))

    def cancel(self, page_id: str) -> None:
        """End a page before the engine's next step; nothing happens where it has ended."""
        self._commands.put(_Cancel(page_id))

    async def forget(self, member: str) -> None:
        """Drop the KV kept of a member; returns when it is done."""
        await self._ask(lambda reply: _Forget(member, reply))

    async def stats(self) -> Stats:
        """The engine's books, once all commands sent before were obeyed."""
        return await self._ask(_Report)

    async def drain(self, grace_s: float) -> None:
        """Take on nothing new; pages have ``grace_s`` seconds to end, then are cut short.

        Returns when no page is open. What was cut ends with the reason ``draining``.
        """
        self._draining = True
        try:
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        except TimeoutError:
            self._commands.put(_CancelAll("draining"))
            await self._idle.wait()

    async def close(self) -> None:
        """Cut short what is open and end the thread."""
        self._draining = True
        if self._thread.ident is None:
            return
        self._commands.put(_Close())
        await self._exited.wait()
        self._thread.join()  # telling of its exit was its last act

    async def _ask(self, command: Callable[[asyncio.Future[Reply]], _Command]) -> Reply:
        self._require_alive()
        reply: asyncio.Future[Reply] = self._loop.create_future()
        self._replies.add(reply)
        self._commands.put(command(reply))
        try:
            return await reply
        finally:
            self._replies.discard(reply)

    def _require_alive(self) -> None:
        if not self.alive:
            raise self._stopped()

    def _stopped(self) -> UnavailableError:
        error = UnavailableError("the engine is not running; this server must be restarted.")
        error.__cause__ = self._failure
        return error

    # Run on the loop, sent there by the thread.

    def _receive(self, outputs: list[Output]) -> None:
        for output in outputs:
            page_id = output.page_id
            if isinstance(output, RowDecoded):
                self._mailboxes[page_id].put_nowait(output)
            else:
                self._mailboxes.pop(page_id).put_nowait(output)
        if not self._mailboxes:
            self._idle.set()

    def _answer(self, reply: asyncio.Future[Reply], value: Reply) -> None:
        if not reply.done():
            reply.set_result(value)

    def _exit(self, failure: BaseException | None) -> None:
        self._failure = failure
        self._exited.set()
        self._receive([PageFailed(page_id, self._stopped()) for page_id in self._mailboxes])
        for reply in self._replies:
            if not reply.done():
                reply.set_exception(self._stopped())

    # Run on the thread.

    def _run(self) -> None:
        failure: BaseException | None = None
        stay(self._cores)
        try:
            closing = False
            while not closing:
                closing = self._obey()
                if self._engine.busy:
                    self._tell(self._engine.step())
        except BaseException as error:  # noqa: BLE001 - the last resort: death must be seen
            failure = error
        # With its loop closed nobody is left to hear of it.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._exit, failure)

    def _obey(self) -> bool:
        """Carry out the commands at hand, waiting for one while idle; whether to close."""
        while not self._engine.busy or not self._commands.empty():
            match self._commands.get():
                case _Submit(job, submitted):
                    self._admit(job, submitted)
                case _Cancel(page_id):
                    self._engine.cancel(page_id)
                case _Abandon(job):
                    if self._engine.holds(job):
                        self._engine.cancel(job.page_id)
                case _CancelAll(reason):
                    self._engine.cancel_all(reason)
                case _Forget(member, reply):
                    self._engine.forget(member)
                    self._loop.call_soon_threadsafe(self._answer, reply, None)
                case _Report(reply):
                    stats = self._engine.stats()
                    self._loop.call_soon_threadsafe(self._answer, reply, stats)
                case _Close():
                    self._engine.cancel_all("draining")
                    return True
        return False

    def _admit(self, job: PageJob, submitted: float) -> None:
        try:
            self._engine.submit(job, submitted=submitted)
        except GenPageError as error:
            self._tell([PageFailed(job.page_id, error)])

    def _tell(self, outputs: list[Output]) -> None:
        if outputs:
            self._loop.call_soon_threadsafe(self._receive, outputs)
