"""The active bundle, remembered across restarts in ``--state-dir``."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

_FILE = "active.json"


@dataclass(frozen=True, slots=True)
class ActiveBundle:
    """Which bundle was active, and where it lay."""

    version: str
    digest: str
    folder: str

    @classmethod
    def recall(cls, state_dir: Path) -> "ActiveBundle | None":
        """What `remember` wrote, None where there is nothing that can be read."""
        try:
            document = orjson.loads((state_dir / _FILE).read_bytes())
            return cls(document["version"], document["digest"], document["folder"])
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
            return None

    def remember(self, state_dir: Path) -> None:
        """Write it, whole or not at all."""
        state_dir.mkdir(parents=True, exist_ok=True)
        staged = state_dir / f".{_FILE}.{os.getpid()}"
        with staged.open("wb") as file:
            file.write(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        staged.replace(state_dir / _FILE)
