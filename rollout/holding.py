"""The folders of a server's own, and what a process that crashed left in them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Final
from uuid import uuid4

from genpage.hold import clear_abandoned, held

_TEMPORARY: Final = re.compile(r"genpage-staging-[0-9a-f]{32}")
# What `rollout.active` and `rollout.refused` write before it takes its name.
_UNFINISHED: Final = re.compile(r"\.(active|refused)\.json\.[0-9]+")


@contextmanager
def state_folder(folder: Path | None) -> Iterator[None]:
    """``--state-dir``, held while inside, without what a crash left half written.

    `UsageError` where another server has it: they would remove each other's bundles.
    """
    if folder is None:
        yield
        return
    with held(folder, "--state-dir", "server"):
        for entry in folder.iterdir():
            if _UNFINISHED.fullmatch(entry.name):
                entry.unlink(missing_ok=True)
        yield


def temporary_folder() -> Path:
    """Where bundles go without a ``--state-dir``; it is made, and held, by whoever uses it."""
    return Path(gettempdir()) / f"genpage-staging-{uuid4().hex}"


def clear_temporary(among: Path) -> None:
    """Remove the temporary folders there that servers left which ended without doing so."""
    clear_abandoned(among, _TEMPORARY)
