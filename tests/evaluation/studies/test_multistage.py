"""The study of the pipeline: how many pages each side has learnt from is told beside it."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from evaluation.studies.multistage import _learnt_from
from evaluation.studies.workshop import Scale, Workshop
from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.row import Row
from genpage.rules import Rules
from training.start import fresh_checkpoint


class Folder:
    """Six days of ten pages, of two places each."""

    def days(self) -> list[str]:
        """Of a week but one."""
        return [f"2026-01-{day:02}" for day in range(1, 7)]

    def impressions(self, day: str, last: str, *, columns: tuple[str, ...]) -> pl.DataFrame:
        """A day's pages."""
        assert (day, columns) == (last, ("page_id",))
        return pl.DataFrame({"page_id": [f"{day}-{page // 2}" for page in range(20)]})


@pytest.mark.parametrize(("budget", "newest"), [(12, "12"), (20_000, "30")])
def test_the_pages_learnt_from_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int, newest: str
) -> None:
    """Of the last two days nobody learns, of the one before the model alone does not."""
    monkeypatch.setattr(Workshop, "data", lambda _: Folder())
    catalog = Catalog.build(
        [Entity(f"e{n}", "film", f"Film {n}") for n in range(4)], [Row("all", "genre", "All")]
    )
    plain = fresh_checkpoint(catalog, "micro", rules=Rules.default(), seed=0)
    lines = b"\n".join(json.dumps({"step": n, "examples": 3}).encode() for n in range(500))
    trained = replace(plain, extra={"metrics.jsonl": lines})
    workshop = Workshop(tmp_path, Scale(pages=budget))
    text = _learnt_from(workshop, 11, {"WBC": trained, "RL": plain})
    assert f"{budget:,} logged pages at most" in text
    assert "the pipeline from 11," in text
    assert f"the newest {newest}," in text
    assert "page by page: WBC 1,500. RL" in text
