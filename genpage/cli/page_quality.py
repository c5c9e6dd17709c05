"""``genpage evaluate page-quality``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from rich.table import Table

from genpage.cli.command import Command
from genpage.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evaluation.intervals import Estimate
    from evaluation.page_quality import Offline, Served

# What there must be on the logged pages for a metric of them.
_NEEDS = {
    "entity_auc": "titles that were rewarded, and others",
    "row_auc": "rows that were rewarded, and others",
    "wbc_loss": "titles with a reward, above or below zero",
    "page_ndcg": "titles that were rewarded",
}
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
    explore: list[float] = Field(
        default=[0.0, 1.0],
        description="the policies that are judged, by the share of choices that they draw: the "
        "first as it is served (`serve --explore`), 1 draws all",
    )
    temperature: float = Field(default=1.0, gt=0, description="of what the policies draw")
    autoregressive: int = Field(
        default=4, ge=1, description="entities of a row chosen one by one, as served"
    )
    seed: int = Field(default=0, ge=0, description="of samples and intervals")

    def run(self) -> None:
        """Score, decode, judge, print."""
        from dataset.day import day_of, day_start
        from dataset.folder import DataFolder
        from evaluation.logged_pages import read_pages
        from evaluation.page_quality import Served, offline, predictiveness, served
        from evaluation.policy import Policy
        from evaluation.source import Period
        from evaluation.title_worth import title_worth
        from evaluation.unseen import refuse_seen
        from genpage.catalog import SECONDS_A_DAY
        from genpage.exploration import Exploration
        from model.checkpoint import Checkpoint
        from model.covering import covering
        from training.visits import PageSize, Visits

        if not self.explore:
            raise UsageError("--explore names no policy to judge")
        policies = [
            Policy(Exploration(share, self.temperature), self.autoregressive)
            for share in self.explore
        ]
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
                folder, checkpoint, logged, worth, policies=policies, seed=self.seed
            )
            over = covering(checkpoint, catalog)
            encoder = over.prompts
            visits = Visits.read(
                folder, catalog, encoder, days, count=self.visits, size=size, seed=self.seed
            )
            shown[name] = served(folder, checkpoint, visits, policy=policies[0], seed=self.seed)
        rewards = [found.reward.value for found in shown.values() if found.reward is not None]
        predicts: dict[str, float] = {}
        if len(rewards) == len(offlines):
            predicts = predictiveness(list(offlines.values()), rewards)
        told = {each.support.told for each in offlines.values() if not each.policies}
        for line in sorted(told):
            sys.stderr.write(f"warning: {line}\n")
        document = {
            "from": period.first,
            "to": period.last,
            "served": {"name": policies[0].name, **policies[0].document()},
            "models": {
                name: {**offlines[name].document(), "served": shown[name].document()}
                for name in offlines
            },
            "predicts": predicts,
        }
        self.emit(document, _table(offlines, shown, predicts, policies[0].name))


def _table(
    offlines: "Mapping[str, Offline]",
    shown: "Mapping[str, Served]",
    predicts: dict[str, float],
    policy: str,
) -> Table:
    """``policy`` is whose pages are shown."""
    table = Table("checkpoint", "figure", "of", "value", "95%", title="page quality")
    for name, found in offlines.items():
        served = shown[name]
        of_pages = {
            "diversity": served.variety.diversity,
            "novelty": served.variety.novelty,
            "new": served.variety.new,
        }
        if served.reward is not None:
            of_pages["true reward"] = served.reward
        table.add_section()
        for key, each in found.metrics.items():
            if each.known:
                _add(table, name, key, "logged pages", each)
            else:
                none = f"cannot be had: needs {_NEEDS[key]}; these pages have none"
                table.add_row(name, key, "logged pages", "-", none)
        for key, each in of_pages.items():
            _add(table, name, key, policy, each)
        table.add_row(name, "coverage", policy, f"{served.variety.coverage:.4g}", "")
        if served.languages is not None:
            gap = f"{served.languages.gap:.4g}"
            table.add_row(name, "gap between languages", policy, gap, "")
        _add_off_policy(table, name, found)
        for key, count in (
            ("pages of what left the catalog", found.gone),
            ("pages without usable propensities", found.support.dropped),
            ("pages decided throughout", found.support.unexplored),
        ):
            if count:
                table.add_row(name, key, "logged pages", str(count), "left out")
    for key, value in predicts.items():
        table.add_row("all", f"{key} ~ true reward", "", f"{value:.3f}", "Spearman")
    return table


def _add_off_policy(table: Table, name: str, found: "Offline") -> None:
    if found.log is None:
        table.add_row(name, "off policy", "-", "-", found.support.told)
        return
    _add(table, name, "mean reward", "who served", found.log.mean)
    if found.log.truth is not None:
        _add(table, name, "true reward, same visits", "who served", found.log.truth)
    for each in found.policies:
        for key, weighed in each.estimates.items():
            pages = f"; {weighed.effective:.1f} of {weighed.pages} pages count"
            _add(table, name, key, each.policy.name, weighed.estimate, pages)
        told = "they count as nothing from there on where it would not"
        never = str(each.never_shown)
        table.add_row(name, "logged pages that it never shows", each.policy.name, never, told)
        if each.truth is not None:
            _add(table, name, "true reward, same visits", each.policy.name, each.truth)


def _add(
    table: Table, name: str, figure: str, of: str, estimate: "Estimate", more: str = ""
) -> None:
    told = f"{estimate.low:.4g} to {estimate.high:.4g}{more}"
    table.add_row(name, figure, of, f"{estimate.value:.4g}", told)
