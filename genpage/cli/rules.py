"""``genpage rules check FILE``."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg
from rich.table import Table

from genpage.cli.command import Command
from genpage.rules import Rules


class RulesCheck(Command):
    """Check a rules file: its keys and values, and its rows against a data folder's catalog."""

    file: CliPositionalArg[Path]
    data: Path | None = Field(default=None, description="the data whose catalog it must fit")

    def run(self) -> None:
        """Print what the file says; a wrong one is one line on stderr."""
        rules = Rules.load(self.file)
        if self.data is not None:
            from dataset.folder import DataFolder

            rules.check(DataFolder(self.data).catalog())
        table = Table("rule", "value", title=f"{self.file} is valid")
        for name in rules.__slots__:
            if name != "source":
                table.add_row(name, str(getattr(rules, name)))
        self.emit({"valid": True}, table)
