"""What goes between the benchmark and a peer's process: an order, and one answer to each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

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

# Seconds in which an order has to be answered: many times what the slowest peer took for the
# largest model, so that who is not done by then never will be.
LIMITS_S: Mapping[type[Order], float] = MappingProxyType(
    {Meet: 120.0, Prepare: 1800.0, Load: 300.0, DecodePage: 120.0, DecodeBatch: 600.0}
)


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
