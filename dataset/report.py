"""What validation found: problems, each with its place, and how many of each kind."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning"]
_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    ``kind`` names it for counting, ``file`` is relative to the folder, ``line`` is the row's number
    in the Parquet file, from 1; None where the file or the column as a whole is meant. ``value`` is
    what stands there. A warning leaves the data usable.
    """

    kind: str
    file: str
    why: str
    line: int | None = None
    column: str | None = None
    value: str | None = None
    severity: Severity = "error"

    @property
    def place(self) -> str:
        """``file:line column``, as far as known."""
        line = "" if self.line is None else f":{self.line}"
        column = "" if self.column is None else f" {self.column}"
        return f"{self.file}{line}{column}"


def shown(value: object) -> str:
    """A value as a message shows it: bounded in length."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


@dataclass(slots=True)
class Report:
    """The outcome of a validation. Mutated by the validator alone, while it runs.

    ``problems`` lists at most ``limit`` of each kind; ``counts`` counts all of them.
    """

    path: str
    limit: int = 20
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    lines: dict[str, int] = field(default_factory=dict)
    files: int = 0

    @property
    def ok(self) -> bool:
        """Whether the data can be used: nothing worse than warnings."""
        return not self.counts

    def room(self, kind: str) -> int:
        """How many more problems of this kind will be listed."""
        return max(0, self.limit - self.counts[kind] - self.warnings[kind])

    def add(self, problem: Problem) -> None:
        """Count a problem, and list it where there is room."""
        self.add_many([problem], problem.kind, 1, problem.severity)

    def add_many(
        self, examples: Iterable[Problem], kind: str, count: int, severity: Severity
    ) -> None:
        """Count ``count`` problems of one kind, and list as many of ``examples`` as fit."""
        room = self.room(kind)
        self.problems.extend(list(examples)[:room])
        counter = self.counts if severity == "error" else self.warnings
        counter[kind] += count

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "path": self.path,
            "valid": self.ok,
            "files": self.files,
            "lines": self.lines,
            "errors": dict(self.counts),
            "warnings": dict(self.warnings),
            "problems": [asdict(problem) for problem in self.problems],
        }
