"""Which code figures are of (`genpage.source_files`)."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from genpage.source_files import digest_of, folders_of

SERVICE = ("genpage", "dataset", "simulation")
# Latency is that of the whole server.
EVERYTHING = (
    *SERVICE,
    *("tokenizer", "model", "training", "evaluation", "export"),
    *("runtime", "rollout", "streaming", "api", "benchmarks"),
)
# The commands say what is asked for, and that has a name of its own.
NOTHING_DECIDED: Final = (Path("cli"),)


@cache
def code_of(rooms: Sequence[str]) -> str:
    """Eight hexadecimal digits of some rooms' files, as this process found them.

    Of a room that is not here, none.
    """
    return digest_of([place for room in rooms for place in folders_of(room)], NOTHING_DECIDED)[:8]
