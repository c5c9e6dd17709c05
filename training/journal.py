"""What a run of days has done, so that one that was stopped goes on with the next day.

``journal.jsonl`` has a line a finished day, appended and synced after all that the day writes is in
its place: what stands there is done, and nothing else is believed. A last line that was cut off by
a crash is dropped.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genpage.errors import UsageError

Line = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Journal:
    """The finished days of one folder, in their order."""

    folder: Path

    @property
    def path(self) -> Path:
        """One JSON document a line."""
        return self.folder / "journal.jsonl"

    def lines(self) -> list[Line]:
        """The finished days."""
        if not self.path.exists():
            return []
        lines = []
        for line in self.path.read_bytes().split(b"\n")[:-1]:
            try:
                lines.append(json.loads(line))
            except ValueError as error:
                raise UsageError(
                    f"{self.path} is unreadable: {error}; delete the lines from there on, and the "
                    "days are done again."
                ) from error
        return lines

    def append(self, line: Line) -> None:
        """A day is finished."""
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = b"".join(json.dumps(each).encode() + b"\n" for each in self.lines())
        unfinished = self.path.with_name(".journal.jsonl")
        with unfinished.open("wb") as file:
            file.write(whole + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.path)
