"""The peers beside our own server: a process each, all asked in turn for the same pages."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from socket import socketpair
from typing import Self

from benchmarks.peers.known import KNOWN
from benchmarks.peers.orders import (
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
    """One peer at work. Blocks while it works; `UnavailableError` for what fails."""

    def __init__(self, key: str, connection: Connection, log: Path) -> None:
        self.key = key
        self._connection = connection
        self._log = log

    @classmethod
    @contextmanager
    def started(cls, key: str, python: Path, threads: int, log: Path) -> Iterator[Self]:
        """A process on ``python``; it ends with the block."""
        ours, theirs = socketpair()
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": str(threads),
            "HF_HUB_OFFLINE": "1",
        }
        command = [str(python), "-m", "benchmarks.peers.worker", key, str(theirs.fileno())]
        with log.open("wb") as out, theirs:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=ROOT,
                env=environment,
                pass_fds=[theirs.fileno()],
            )
        connection = Connection(ours.detach())
        try:
            yield cls(key, connection, log)
        finally:
            connection.close()
            process.kill()
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
        self._asked(Load(folder.resolve(), threads))

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
        try:
            self._connection.send_bytes(ForkingPickler.dumps(order))
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            last = self._log.read_text("utf-8", "replace")[-1_000:]
            raise UnavailableError(f"peer {self.key} ended; its last words:\n{last}") from error
        if isinstance(answer, Failed):
            if answer.missing:
                raise ModuleNotFoundError(answer.why)
            raise UnavailableError(f"peer {self.key}: {answer.why}")
        return answer


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
    python: Path, llama: Path, folder: Path, threads: int, keys: Sequence[str] = tuple(KNOWN)
) -> Iterator[Beside]:
    """Start the peers and load the model of ``llama`` in each; conversions are kept in ``folder``.

    A peer that is not installed, or fails, is told in ``absent``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    present: list[Present] = []
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="genpage-peers-")))
        for key in keys:
            process = stack.enter_context(
                PeerProcess.started(key, python, threads, logs / f"{key}.log")
            )
            try:
                met = process.meet()
                if met is None:
                    absent[key] = f"{KNOWN[key].package} is not installed for {python}"
                    continue
                process.load(llama, folder / key, threads)
            except UnavailableError as error:
                absent[key] = str(error)
                continue
            present.append(Present(process, met))
        yield Beside(tuple(present), absent)
