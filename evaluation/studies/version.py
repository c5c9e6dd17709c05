"""Which code figures are of: a digest of the source files that decide them.

Nobody has to remember to raise a number: another line of code is another version.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

SERVICE = ("genpage", "dataset", "simulation")
# Latency is that of the whole server.
EVERYTHING = (
    *SERVICE,
    *("tokenizer", "model", "training", "evaluation", "export"),
    *("runtime", "rollout", "streaming", "api", "benchmarks"),
)
# The commands say what is asked for, and that has a name of its own.
_NOTHING_DECIDED = ("cli",)


@cache
def code_of(rooms: Sequence[str]) -> str:
    """Of some rooms' source files, as this process found them; of a room that is not here, none."""
    found = (find_spec(room) for room in rooms)
    return digest_of(
        [Path(place) for spec in found if spec for place in spec.submodule_search_locations or ()]
    )


def digest_of(folders: Sequence[Path]) -> str:
    """Eight hexadecimal digits of what the Python and TOML files below some folders say."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.suffix in {".py", ".toml"} and name.parts[0] not in _NOTHING_DECIDED:
                content = path.read_bytes()
                digest.update(f"{folder.name}/{name.as_posix()} {len(content)}\n".encode())
                digest.update(content)
    return digest.hexdigest()[:8]
