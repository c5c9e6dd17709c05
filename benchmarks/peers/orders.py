"""What goes between the benchmark and a peer's process: an order, and one answer to each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.task import PageTask


@dataclass(frozen=True, slots=True)
class Meet:
    """Import the library; answered by `Met`."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Convert the model of ``llama`` into ``folder``, an empty one."""

    llama: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class Load:
    """Load what was prepared."""

    folder: Path
    threads: int


@dataclass(frozen=True, slots=True)
class DecodePage:
    """Answered by `Decoded`."""

    task: PageTask
    warm: bool


@dataclass(frozen=True, slots=True)
class DecodeBatch:
    """Answered by `Batched`, or None."""

    tasks: Sequence[PageTask]
    warm: bool


Order = Meet | Prepare | Load | DecodePage | DecodeBatch


@dataclass(frozen=True, slots=True)
class Met:
    """What a peer says of itself; see `Peer`."""

    name: str
    precision: str
    valid: bool
    version: str


@dataclass(frozen=True, slots=True)
class Failed:
    """An order could not be carried out. ``missing``: its library is not installed."""

    why: str
    missing: bool = False
