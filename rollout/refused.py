"""The bundles refused for their bytes, by digest: they are not tried again.

Kept in the state folder, so that a restart does not try them either: written aside, by the keeper.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError
from structlog.typing import FilteringBoundLogger

from rollout.refusal import Kind, RefusedError

FILE: Final = "refused.json"
# The newest are kept; nobody announces the others any more.
MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why and when (Unix seconds) bytes were refused."""

    digest: str
    kind: Kind
    why: str
    at: float


class Refused:
    """The refusals that last. One owner; without a folder they last as long as the process."""

    def __init__(self, state_dir: Path | None, log: FilteringBoundLogger) -> None:
        self._changed = False
        self._file = None if state_dir is None else state_dir / FILE
        self._by_digest = {refusal.digest: refusal for refusal in _read(self._file, log)}

    def __len__(self) -> int:
        return len(self._by_digest)

    def check(self, digest: str) -> None:
        """Raise `RefusedError` where these bytes were refused before."""
        refusal = self._by_digest.get(digest)
        if refusal is not None:
            raise RefusedError(
                refusal.kind,
                f"these bytes were refused before and are not tried again: {refusal.why}",
            )

    def add(self, refusal: Refusal) -> None:
        """Remember a refusal."""
        self._by_digest.pop(refusal.digest, None)
        self._by_digest[refusal.digest] = refusal
        while len(self._by_digest) > MOST:
            del self._by_digest[next(iter(self._by_digest))]
        self._changed = True

    def forgive(self, digest: str) -> None:
        """Let these bytes be tried again."""
        if self._by_digest.pop(digest, None) is not None:
            self._changed = True

    def write(self) -> None:
        """Write what changed; may be called on another thread. `OSError` where that cannot be."""
        if self._file is None or not self._changed:
            return
        self._changed = False
        try:
            self._write(self._file)
        except OSError:
            self._changed = True
            raise

    def _write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        staged = file.with_name(f".{FILE}.{os.getpid()}")
        staged.write_bytes(orjson.dumps([asdict(each) for each in tuple(self._by_digest.values())]))
        staged.replace(file)


def _read(file: Path | None, log: FilteringBoundLogger) -> list[Refusal]:
    if file is None:
        return []
    try:
        return TypeAdapter(list[Refusal]).validate_json(file.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as error:
        log.warning("the memory of refused bundles is passed over", file=str(file), why=str(error))
        return []
