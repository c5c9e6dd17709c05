"""The active bundle, remembered across restarts in ``--state-dir``."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError
from structlog.typing import FilteringBoundLogger

_FILE = "active.json"


@dataclass(frozen=True, slots=True)
class ActiveBundle:
    """Which bundle was active, and where it lay."""

    version: str
    digest: str
    folder: str

    @classmethod
    def recall(cls, state_dir: Path, log: FilteringBoundLogger) -> "ActiveBundle | None":
        """What `remember` wrote; None where nothing was, and with a warning where it is damaged."""
        file = state_dir / _FILE
        try:
            return TypeAdapter(cls).validate_json(file.read_bytes(), strict=True)
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.warning(
                "the memory of the active bundle is passed over",
                file=str(file),
                why=str(error),
                hint="it cannot be read; delete it, and give the bundle to serve as --bundle",
            )
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
