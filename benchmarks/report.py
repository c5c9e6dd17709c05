"""What a benchmark has to say."""

from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Report:
    """The same figures twice: a JSON document for programs, a table for people."""

    document: dict[str, object]
    table: Table
