"""What a run of days has done, so that one that was stopped goes on with the next day.

``journal.jsonl`` has a line a finished day, appended and synced after all that the day writes is in
its place: what stands there is done, and nothing else is believed. A last line that was cut off by
a crash is dropped. ``run.json`` says by what settings the days were made.
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

    def claim(self, settings: Mapping[str, object]) -> None:
        """Make the folder this run's, by what decides its days; a `UsageError` names what differs.

        Where no day is finished, there is nothing yet that other settings would spoil.
        """
        path, lines = self.folder / "run.json", self.lines()
        if lines and path.exists():
            try:
                found = json.loads(path.read_bytes())
            except ValueError as error:
                raise UsageError(
                    f"{path} is unreadable: {error}; delete it, and the days go on by these flags."
                ) from error
            for name in settings:
                if found.get(name) != settings[name]:
                    raise UsageError(
                        f"{self.folder} holds {len(lines)} days of a run with {name} = "
                        f"{found.get(name)!r}, now {settings[name]!r}. Repeat its flags to go on, "
                        "or take another --out."
                    )
            return
        self._write(path, json.dumps(dict(settings), indent=2).encode())

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
        whole = b"".join(json.dumps(each).encode() + b"\n" for each in self.lines())
        self._write(self.path, whole + json.dumps(line).encode() + b"\n")

    def _write(self, path: Path, content: bytes) -> None:
        """Replaced whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}")
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
