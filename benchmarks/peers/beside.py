"""The peers beside our own server: a process each, all asked in turn for the same pages."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from socket import socketpair
from typing import Self

from benchmarks.peers.conversion import made_of
from benchmarks.peers.known import KNOWN
from benchmarks.peers.orders import (
    LIMITS_S,
    DecodeBatch,
    DecodePage,
    Failed,
    Load,
    Meet,
    Met,
    Order,
    Prepare,
)
from benchmarks.peers.peer import Batched, Decoded
from benchmarks.peers.task import PageTask
from genpage.errors import UnavailableError
from genpage.staging import staged

ROOT = Path(__file__).resolve().parents[2]


class PeerProcess:
    """One peer at work. Blocks while it works; `UnavailableError` for what fails.

    One that does not answer in time, or ends, is started anew by the next order, with the model
    that it had.
    """

    def __init__(
        self,
        key: str,
        python: Path,
        threads: int,
        log: Path,
        limits_s: Mapping[type[Order], float] = LIMITS_S,
    ) -> None:
        self.key = key
        self._python, self._threads, self._log, self._limits_s = python, threads, log, limits_s
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._loaded: Load | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Kill it, and whatever it has started."""
        if self._running is None:
            return
        (process, connection), self._running = self._running, None
        connection.close()
        _kill(process)
        process.wait()

    def meet(self) -> Met | None:
        """What it says of itself; None where its library is not installed."""
        try:
            met = self._asked(Meet())
        except ModuleNotFoundError:
            return None
        assert isinstance(met, Met)
        return met

    def load(self, llama: Path, folder: Path, threads: int) -> None:
        """Load the model, converted once into ``folder``."""
        if not folder.exists():
            with staged(folder) as target:
                self._asked(Prepare(llama.resolve(), target.resolve()))
        order = Load(folder.resolve(), threads)
        self._asked(order)
        self._loaded = order

    def page(self, task: PageTask, *, warm: bool) -> Decoded:
        """Decode a page."""
        decoded = self._asked(DecodePage(task, warm))
        assert isinstance(decoded, Decoded)
        return decoded

    def batch(self, tasks: Sequence[PageTask], *, warm: bool) -> Batched | None:
        """Decode pages at once; None where it cannot."""
        batched = self._asked(DecodeBatch(tasks, warm))
        assert batched is None or isinstance(batched, Batched)
        return batched

    def _asked(self, order: Order) -> object:
        if self._running is None:
            self._running = self._start()
            if self._loaded is not None:
                self._answered(Load(self._loaded.folder, self._loaded.threads))
        return self._answered(order)

    def _answered(self, order: Order) -> object:
        assert self._running is not None
        process, connection = self._running
        limit_s = self._limits_s[type(order)]
        late = threading.Event()

        def give_up() -> None:
            late.set()
            _kill(process)

        # Its end ends our waiting too, be it for its answer or for it to read the order.
        alarm = threading.Timer(limit_s, give_up)
        alarm.daemon = True
        alarm.start()
        try:
            try:
                connection.send_bytes(ForkingPickler.dumps(order))
                answer = connection.recv()
            finally:
                alarm.cancel()
                alarm.join()
        except (EOFError, OSError) as error:
            self.end()
            what = f"did not answer in {limit_s:g} s and was ended" if late.is_set() else "ended"
            last = self._log.read_text("utf-8", "replace")[-1_000:]
            raise UnavailableError(f"peer {self.key} {what}; its last words:\n{last}") from error
        if late.is_set():
            self.end()
        if isinstance(answer, Failed):
            if answer.missing:
                raise ModuleNotFoundError(answer.why)
            raise UnavailableError(f"peer {self.key}: {answer.why}")
        return answer

    def _start(self) -> tuple[subprocess.Popen[bytes], Connection]:
        ours, theirs = socketpair()
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": str(self._threads),
            "HF_HUB_OFFLINE": "1",
        }
        worker = ["-m", "benchmarks.peers.worker", self.key, str(theirs.fileno())]
        with self._log.open("wb") as out, theirs:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                [str(self._python), *worker],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=ROOT,
                env=environment,
                pass_fds=[theirs.fileno()],
                # A group of its own: converters that it starts end with it.
                start_new_session=True,
            )
        return process, Connection(ours.detach())


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """A process that nobody has waited for yet, and its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Present:
    """A peer with the model loaded."""

    process: PeerProcess
    met: Met


@dataclass(frozen=True, slots=True)
class Beside:
    """Who is there, and why the others are not."""

    present: tuple[Present, ...]
    absent: dict[str, str]


@contextmanager
def beside(
    python: Path,
    llama: Path,
    folder: Path,
    threads: int,
    keys: Sequence[str] = tuple(KNOWN),
    limits_s: Mapping[type[Order], float] = LIMITS_S,
) -> Iterator[Beside]:
    """Start the peers and load the model of ``llama`` in each; conversions are kept in ``folder``.

    They are kept by the peer's version and the code that converts. A peer that is not installed,
    fails or does not answer in time is told in ``absent``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    present: list[Present] = []
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="genpage-peers-")))
        for key in keys:
            process = stack.enter_context(
                PeerProcess(key, python, threads, logs / f"{key}.log", limits_s)
            )
            try:
                met = process.meet()
                if met is None:
                    process.end()
                    absent[key] = f"{KNOWN[key].package} is not installed for {python}"
                    continue
                code = made_of(KNOWN[key].source)
                process.load(llama, folder / f"{key}-{met.version}-{code}", threads)
            except UnavailableError as error:
                absent[key] = str(error)
                process.end()
                continue
            present.append(Present(process, met))
        yield Beside(tuple(present), absent)
