"""``genpage rules check FILE``."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg
from rich.table import Table

from genpage.cli.command import Command
from genpage.rules import Rules


class RulesCheck(Command):
    """Check a rules file: its keys and values, and its names against a data folder's catalog."""

    file: CliPositionalArg[Path]
    data: Path | None = Field(default=None, description="the data whose catalog it must fit")

    def run(self) -> None:
        """Print what the file says; a wrong one is one line on stderr."""
        rules = Rules.load(self.file)
        if self.data is not None:
            from dataset.folder import DataFolder

            rules.check(DataFolder(self.data).catalog())
        table = Table("rule", "value", title=f"{self.file} is valid")
        for key, value in rules.values().items():
            table.add_row(key, _shown(value))
        self.emit({"valid": True, "rules": rules.values()}, table)


def _shown(value: object) -> str:
    """As TOML has it."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
