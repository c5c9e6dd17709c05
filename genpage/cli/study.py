"""``genpage study NAME|all``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import CliPositionalArg
from rich.table import Table

from genpage.cli.command import Command
from model.config import Size

if TYPE_CHECKING:
    from collections.abc import Mapping


class StudyCommand(Command):
    """One of the studies, or all: table, plot and JSON into docs/studies.

    What a study needs (data, checkpoints, steps) is kept under --work, so that one that was
    interrupted goes on where it was, and one that is finished is not run again, unless the code is
    another. Remove that folder to begin with nothing.
    """

    name: CliPositionalArg[str] = Field(description="which study; all for every one")
    out: Path = Field(default=Path("docs/studies"), description="where pages, plots and JSON go")
    work: Path = Field(default=Path("var/studies"), description="what is kept between runs")
    members: int = Field(default=1000, ge=50, description="members of the simulated service")
    entities: int = Field(default=800, ge=400, description="its titles")
    days: int = Field(default=21, ge=5, description="its days")
    size: Size = Field(default="micro", description="of the models")
    steps: int = Field(default=200, ge=1, description="training steps of a model")
    visits: int = Field(default=200, ge=10, description="visits whose pages are judged")
    pages: int = Field(
        default=20_000,
        ge=50,
        description="pages that the pipeline and WBC's appeal of titles learn from, at most",
    )
    seed: int = Field(default=0, ge=0, description="of the simulated service")
    threads: int = Field(default=2, ge=1, description="CPU threads of training")
    force: bool = Field(default=False, description="run again what is finished")

    def run(self) -> None:
        """Run, write, print."""
        import torch

        from evaluation.studies.carrying_out import carry_out
        from evaluation.studies.catalogue import chosen
        from evaluation.studies.workshop import Scale, Workshop

        torch.set_num_threads(self.threads)
        studies = chosen(self.name)
        scale = Scale(
            members=self.members,
            entities=self.entities,
            days=self.days,
            size=self.size,
            steps=self.steps,
            visits=self.visits,
            pages=self.pages,
            seed=self.seed,
        )
        workshop = Workshop(
            self.work,
            scale,
            tell=lambda text: sys.stderr.write(f"{text}\n"),
            bench=self._bench,
        )
        flags = self._flags()
        documents, failures = [], {}
        table = Table("study", "what", "figure", "95%", title="studies")
        for outcome in carry_out(
            studies,
            workshop,
            self.out,
            lambda study: f"genpage study {study.name}{flags}",
            force=self.force,
        ):
            if outcome.failure is not None:
                failures[outcome.name] = outcome.failure
                sys.stderr.write(f"{outcome.name} failed: {outcome.failure}\n")
            if outcome.document is None:
                continue
            spent = "finished before" if outcome.skipped else f"{outcome.cpu_s:.0f} s of CPU"
            sys.stderr.write(f"{outcome.name}: {spent}\n")
            documents.append(outcome.document)
            _add(table, outcome.document)
        self.emit({"studies": documents, "failed": sorted(failures)}, table)
        for failure in failures.values():
            raise failure

    def _bench(self, bundle: Path, data: Path) -> "Mapping[str, object]":
        from api.compose import Settings
        from benchmarks import multistage

        settings = Settings(bundle=bundle, data=data, threads=1)
        return multistage.report(settings, pages=self.pages).document

    def _flags(self) -> str:
        """The settings that are not the default ones, as flags."""
        shown = ("members", "entities", "days", "size", "steps", "visits", "pages", "seed")
        fields = type(self).model_fields
        values = ((name, getattr(self, name)) for name in shown)
        return "".join(
            f" --{name} {value}" for name, value in values if value != fields[name].default
        )


def _add(table: Table, document: "Mapping[str, object]") -> None:
    rows = document["rows"]
    if not isinstance(rows, list):
        raise TypeError(f"the rows of {document['study']} are no list. This is a bug.")
    for row in rows:
        interval = "" if row["ci95"] is None else "{:.4g} to {:.4g}".format(*row["ci95"])
        table.add_row(str(document["study"]), row["name"], f"{row['value']:.4g}", interval)
