"""The active bundle, remembered across restarts in ``--state-dir``."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError
from structlog.typing import FilteringBoundLogger

from genpage.staging import write_whole

FILE: Final = "active.json"


@dataclass(frozen=True, slots=True)
class Held:
    """A bundle in a folder of this machine, and where it came from."""

    version: str
    digest: str
    folder: str
    bundle_uri: str | None = None


@dataclass(frozen=True, slots=True)
class Handled:
    """The newest announcement that was dealt with: what is not newer is not taken up again."""

    at: float
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class ActiveBundle:
    """Which bundle was active, and where it lay; which one was before it.

    ``handled`` keeps a replica that was rolled back from jumping to the newest announcement when
    it starts again.
    """

    version: str
    digest: str
    folder: str
    bundle_uri: str | None = None
    previous: Held | None = None
    handled: Handled | None = None

    @classmethod
    def recall(cls, state_dir: Path, log: FilteringBoundLogger) -> "ActiveBundle | None":
        """What `remember` wrote; None where nothing was, and with a warning where it is damaged."""
        file = state_dir / FILE
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
        write_whole(state_dir / FILE, orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))

    @property
    def held(self) -> Held:
        """The active bundle alone."""
        return Held(self.version, self.digest, self.folder, self.bundle_uri)
