"""``genpage explain reward``: why a page was worth what it was."""

from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import CliPositionalArg
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from genpage.cli.command import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.rewards.explain import Explanation, Title


class ExplainReward(Command):
    """The reward of one impressed page, term by term: what was seen, what was done, what it counts.

    Titles that were neither seen nor acted on are left out of the table.
    """

    page: CliPositionalArg[str] = Field(description="the page's id, as in the impressions")
    data: Path = Field(description="a folder in the data layout")
    rewards: Path | None = Field(default=None, description="what feedback is worth; a TOML file")

    def run(self) -> None:
        """Print the table."""
        from dataset.folder import DataFolder
        from training.rewards.declaration import Rewards
        from training.rewards.examination import COLUMNS, Examination
        from training.rewards.explain import explain
        from training.rewards.labels import RewardLabels

        declared = Rewards.default() if self.rewards is None else Rewards.load(self.rewards)
        folder = DataFolder(self.data)
        newest = folder.days()[-7:]
        # Estimated whether or not the log tells what was seen: the two stand side by side.
        examination = Examination.of([folder.impressions(d, d, columns=COLUMNS) for d in newest])
        found = explain(RewardLabels(folder, folder.catalog(), declared, examination), self.page)
        self.emit(asdict(found), _table(found))


def _table(found: "Explanation") -> Table:
    at = datetime.fromtimestamp(found.at, UTC)
    table = Table(
        Column("place", no_wrap=True),
        Column("title", max_width=36),
        Column("seen", justify="right"),
        Column("by place", justify="right"),
        Column("done", max_width=30),
        Column("terms"),
        Column("counts", justify="right"),
        title=f"{found.page_id}: {found.user_id}, {at:%Y-%m-%d %H:%M} UTC",
        caption="seen: as logged; by place: the estimated chance, relative to the likeliest place",
        box=SIMPLE_HEAD,
    )
    for row in found.rows:
        shown = [t for t in found.titles if t.row == row.row and (t.counts or t.done)]
        if not shown:
            continue
        table.add_section()
        name = f"[bold]{row.title or row.row_id}"
        table.add_row(str(row.row), name, "", "", "", "row", f"[bold]{row.reward:+.2f}")
        for passed, run in groupby(shown, key=lambda title: not title.done):
            titles = list(run)
            if passed:
                table.add_row(*_passed_over(titles))
                continue
            for title in titles:
                table.add_row(*_acted_on(title))
    table.add_section()
    total = f"[bold]{found.reward:+.2f}"
    table.add_row("", "[bold]the page", "", "", "", "sum over seen titles", total)
    return table


def _acted_on(title: "Title") -> tuple[str, ...]:
    terms = "  ".join(f"{name} {worth:+.2f}" for name, worth in title.terms.items())
    return (
        f"{title.row}.{title.column}",
        title.title,
        "?" if title.seen is None else ("yes" if title.seen else "no"),
        f"{title.estimated:.2f}",
        ", ".join(title.done),
        terms,
        f"{title.counts:+.2f}",
    )


def _passed_over(titles: "Sequence[Title]") -> tuple[str, ...]:
    first, last = titles[0], titles[-1]
    places = f"{first.row}.{first.column}" + (f"-{last.column}" if last is not first else "")
    return (
        places,
        f"[dim]{first.title if last is first else f'{len(titles)} titles passed over'}",
        f"{sum(title.examined for title in titles):.3g}",
        f"{sum(title.estimated for title in titles) / len(titles):.2f}",
        "",
        f"[dim]ignored, {first.reward:+.2f} each seen",
        f"{sum(title.counts for title in titles):+.2f}",
    )
