"""``genpage evaluate page-quality``."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from rich.table import Table

from genpage.cli.command import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evaluation.page_quality import Offline, Served

# What titles bring is counted over so many days before the pages'.
_WORTH_DAYS = 7


class PageQuality(Command):
    """Page metrics of checkpoints: on logged pages, and of the pages that they would serve.

    On simulated data also the true expected reward, and, for three checkpoints and more, how well
    each offline metric predicts it.
    """

    data: Path = Field(description="the data whose pages and members are taken")
    checkpoint: list[Path] = Field(description="one or more, compared on the same pages")
    first: str | None = Field(
        default=None, alias="from", description="the first day; by default 1 day before --to"
    )
    last: str | None = Field(
        default=None, alias="to", description="the day after the last; by default the data's end"
    )
    pages: int = Field(default=300, ge=2, description="logged pages to score")
    visits: int = Field(default=300, ge=2, description="visits to decode pages for")
    rows: int = Field(default=10, ge=1, le=40, description="rows of a page")
    entities_per_row: int = Field(default=20, ge=1, le=100, description="entities of a row")
    temperature: float = Field(default=1.0, gt=0, description="of the policy that is estimated")
    seed: int = Field(default=0, ge=0, description="of samples and intervals")

    def run(self) -> None:
        """Score, decode, judge, print."""
        from dataset.day import day_of, day_start
        from dataset.folder import DataFolder
        from evaluation.logged_pages import read_pages, title_worth
        from evaluation.page_quality import Served, offline, predictiveness, served
        from evaluation.source import Period
        from evaluation.unseen import refuse_seen
        from genpage.catalog import SECONDS_A_DAY
        from model.checkpoint import Checkpoint
        from model.covering import covering
        from training.visits import PageSize, Visits

        folder = DataFolder(self.data)
        end = Period.of(folder, None, self.last).last
        first = self.first or day_of(day_start(end) - SECONDS_A_DAY)
        period = Period.of(folder, first, end)
        days = [day for day in folder.days() if period.first <= day < period.last]
        checkpoints = {str(path): Checkpoint.load(path) for path in self.checkpoint}
        for name, checkpoint in checkpoints.items():
            seen = checkpoint.lineage.trained_on
            refuse_seen(None if seen is None else seen.until, period.first, "--from", name)
        size = PageSize(self.rows, self.entities_per_row)
        catalog = folder.catalog()
        earlier = [day for day in folder.days() if day < period.first][-_WORTH_DAYS:]
        worth = title_worth(folder, earlier, until=period.start)
        offlines: dict[str, Offline] = {}
        shown: dict[str, Served] = {}
        for name, checkpoint in checkpoints.items():
            logged = read_pages(folder, checkpoint, days, count=self.pages, seed=self.seed)
            offlines[name] = offline(
                folder, checkpoint, logged, worth, temperature=self.temperature, seed=self.seed
            )
            over = covering(checkpoint, catalog)
            encoder = over.prompts
            visits = Visits.read(
                folder, catalog, encoder, days, count=self.visits, size=size, seed=self.seed
            )
            shown[name] = served(folder, checkpoint, visits, size, seed=self.seed)
        rewards = [found.reward.value for found in shown.values() if found.reward is not None]
        predicts: dict[str, float] = {}
        if len(rewards) == len(offlines):
            predicts = predictiveness(list(offlines.values()), rewards)
        document = {
            "from": period.first,
            "to": period.last,
            "models": {
                name: {**offlines[name].document(), "served": shown[name].document()}
                for name in offlines
            },
            "predicts": predicts,
        }
        self.emit(document, _table(offlines, shown, predicts))


def _table(
    offlines: "Mapping[str, Offline]", shown: "Mapping[str, Served]", predicts: dict[str, float]
) -> Table:
    table = Table("checkpoint", "figure", "value", "95%", title="page quality")
    for name, found in offlines.items():
        estimates = dict(found.metrics)
        estimates |= {key: each.estimate for key, each in found.estimates.items()}
        served = shown[name]
        estimates |= {
            "diversity": served.variety.diversity,
            "novelty": served.variety.novelty,
            "new": served.variety.new,
        }
        if served.reward is not None:
            estimates["true reward"] = served.reward
        table.add_section()
        for key, each in estimates.items():
            told = f"{each.low:.4g} to {each.high:.4g}"
            if key in found.estimates:
                weighed = found.estimates[key]
                told += f"; {weighed.effective:.1f} of {weighed.pages} pages count"
            table.add_row(name, key, f"{each.value:.4g}", told)
        table.add_row(name, "coverage", f"{served.variety.coverage:.4g}", "")
        if found.gone or found.dropped:
            table.add_row(name, "pages of what left the catalog", str(found.gone), "left out")
            table.add_row(name, "pages without usable propensities", str(found.dropped), "left out")
        if served.languages is not None:
            table.add_row(name, "gap between languages", f"{served.languages.gap:.4g}", "")
    for key, value in predicts.items():
        table.add_row("all", f"{key} ~ true reward", f"{value:.3f}", "Spearman")
    return table
