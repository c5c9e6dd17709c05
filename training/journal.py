"""What a run of days has done, so that one that was stopped goes on with the next day.

``journal.jsonl`` has a line a finished day. The file is written anew for each, whole or not at all,
after all that the day writes is in its place: what stands there is done, and nothing else is
believed. A last line without its end, which other writers may leave, is dropped. ``run.json`` says
by what settings the days were made, a line's ``data`` from what.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from genpage.errors import UsageError
from genpage.staging import write_whole

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
        write_whole(path, json.dumps(dict(settings), indent=2).encode())

    def claim_data(self, digest: Callable[[str], str], newest: int, *, changed: bool) -> None:
        """Hold the run to the data that its newest days were learnt from, by a day's ``digest``.

        A `UsageError` names the first of these days whose ``data`` is another now, unless it may
        have ``changed``: then it is noted as it is now. Lines without ``data`` are passed over.
        """
        lines = self.lines()
        recent = [n for n, line in enumerate(lines) if "data" in line][-newest:]
        now = {n: digest(str(lines[n]["day"])) for n in recent}
        other = [n for n in recent if lines[n]["data"] != now[n]]
        if not other:
            return
        if not changed:
            raise UsageError(
                f"{self.folder} learnt {lines[other[0]]['day']} from other data than --data holds "
                f"now, {len(other)} of its newest {len(recent)} days in all. Give the data that "
                "the run was begun on, or take another --out; --changed-data goes on where those "
                "days were written again (members erased, acts that came late)."
            )
        self._replace(
            [{**line, "data": now[n]} if n in now else line for n, line in enumerate(lines)]
        )

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
        self._replace([*self.lines(), line])

    def _replace(self, lines: Sequence[Line]) -> None:
        write_whole(self.path, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
