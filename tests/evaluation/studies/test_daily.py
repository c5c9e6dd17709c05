"""The study of daily updates: the stale model's curve, and what is forgotten, over the days."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from evaluation.studies import daily
from evaluation.studies.findings import Findings
from evaluation.studies.models import asked_days
from evaluation.studies.publish import publish
from evaluation.studies.workshop import Scale, Workshop
from genpage.errors import CheckpointError

DAYS = 21


class Folder:
    """Some days."""

    def __init__(self, count: int = DAYS) -> None:
        self._count = count

    def days(self) -> list[str]:
        """They begin with a month."""
        return [f"2026-01-{day:02}" for day in range(1, self._count + 1)]


def slices(**values: float) -> Mapping[str, object]:
    """A step's slices; names as rows have them."""
    return {
        name.replace("_", " "): {"hr@10": value, "questions": 7} for name, value in values.items()
    }


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Findings:
    """With models that gain .01 a day, and forget .02 of a week ago a day."""
    monkeypatch.setattr(Workshop, "data", lambda _: Folder())

    def updated(_workshop: Workshop, _base: Path, day: str) -> Mapping[str, object]:
        age = int(day[-2:]) - 7
        return slices(
            before=0.3 + 0.01 * age, learnt_1_days_before=0.5, learnt_7_days_before=0.4 - 0.02 * age
        )

    monkeypatch.setattr(daily, "asked_model", lambda _: tmp_path)
    monkeypatch.setattr(daily, "_updated", updated)
    monkeypatch.setattr(daily, "_judged", lambda *_: slices(before=0.3))
    again = slices(learnt_1_days_before=0.5, learnt_7_days_before=0.4)
    monkeypatch.setattr(daily, "_asked_again", lambda *_: again)
    return daily.run(Workshop(tmp_path, Scale(days=DAYS), tell=lambda _: None))


def test_both_curves_are_in_the_table_and_the_plot(found: Findings, tmp_path: Path) -> None:
    """A model of 1 to 14 days ago, and each older day before the first update and after each."""
    curves: dict[str, list[object]] = {
        series: [(row.x, row.value) for row in found.rows if row.series == series]
        for series in ("not updated", "updated every day", "learnt 7 days before")
    }
    assert "learnt 7 days before: 7" in found.notes
    assert curves["not updated"] == [(float(age), 0.3) for age in range(1, 15)]
    assert curves["updated every day"][-1:] == [(14.0, pytest.approx(0.44))]
    assert curves["learnt 7 days before"] == [
        (float(updates), pytest.approx(0.4 - 0.02 * updates)) for updates in range(15)
    ]
    lost = {
        row.name.partition(",")[0]: row.value for row in found.rows if row.series == "forgotten"
    }
    assert lost == {
        "learnt 1 days before": pytest.approx(0.0),
        "learnt 7 days before": pytest.approx(-0.28),
    }
    publish(daily.STUDY, found, tmp_path, "genpage study daily")
    plot, page = ((tmp_path / f"daily.{form}").read_text() for form in ("svg", "md"))
    for series in curves:
        assert series in plot
        assert f"| {series} |" in page
    assert "forgotten" not in plot


def test_an_update_goes_on_from_the_day_before_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last day there is before it, not the calendar's; a model that is gone is an error."""
    days = [day for day in Folder().days() if day != "2026-01-10"]
    monkeypatch.setattr(Folder, "days", lambda _: days)
    monkeypatch.setattr(Workshop, "data", lambda _: Folder())
    workshop, base = Workshop(tmp_path), tmp_path / "base"
    assert daily._before(workshop, base, asked_days(workshop)[0]) == base
    kept = workshop.folder / "checkpoints" / "daily-2026-01-09"
    with pytest.raises(CheckpointError, match=r"daily-2026-01-09 is gone.*--force"):
        daily._before(workshop, base, "2026-01-11")
    kept.mkdir(parents=True)
    assert daily._before(workshop, base, "2026-01-11") == kept


def test_an_older_day_that_is_not_there_is_not_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week is learnt first where there are three; of fewer days half are asked about."""
    monkeypatch.setattr(Workshop, "data", lambda _: Folder())
    workshop = Workshop(tmp_path)
    assert asked_days(workshop)[0] == "2026-01-08"
    assert daily._older(workshop) == {
        "learnt 1 days before": "2026-01-07",
        "learnt 7 days before": "2026-01-01",
    }
    for count, asked in ((6, 3), (12, 6), (18, 11), (30, 14)):
        monkeypatch.setattr(Workshop, "data", lambda _, count=count: Folder(count))
        assert len(asked_days(workshop)) == asked
