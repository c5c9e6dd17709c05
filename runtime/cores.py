"""Which processor cores the model gets, and which the event loop: apart, where there are enough.

With ``--pin`` and fewer threads than cores (``--threads``) the model's threads stay on the first of
them and the event loop on those that are left, so that neither waits for the other's turn. Where
the model has a thread on every core there is nothing to keep apart, and the kernel decides; it does
so without ``--pin`` too, since several servers of one machine would all take its first cores.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """Cores by the kernel's numbers; of none, a thread runs wherever it may."""

    model: tuple[int, ...] = ()
    loop: tuple[int, ...] = ()

    @classmethod
    def apart(cls, available: Sequence[int], threads: int) -> "Cores":
        """Of the cores that this process may use; ``threads`` 0 is one a core."""
        cores = sorted(available)
        if not 0 < threads < len(cores):
            return cls()
        return cls(tuple(cores[:threads]), tuple(cores[threads:]))


def available() -> tuple[int, ...]:
    """The cores that this process may use; none where the platform does not say."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    return tuple(sorted(os.sched_getaffinity(0)))


def stay(cores: Sequence[int]) -> None:
    """Have the calling thread, and those that it starts from now on, run on these cores alone."""
    if cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # the control group has taken one of them meanwhile
            os.sched_setaffinity(0, cores)


@contextmanager
def started_on(cores: Sequence[int]) -> Iterator[None]:
    """Have the threads that are started meanwhile run on these cores; the caller's own are kept."""
    before = available() if cores else ()
    stay(cores)
    try:
        yield
    finally:
        stay(before)
