"""The frame: restartable steps, a page with table, plot and JSON, figures that mean something."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from evaluation.studies.catalogue import available, chosen, study
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.publish import publish
from evaluation.studies.scaling import CONFIGS, power_law
from evaluation.studies.study import Study
from evaluation.studies.workshop import Scale, Workshop
from genpage.errors import DatasetError, UsageError
from model.config import ModelConfig


def findings() -> Findings:
    """A curve of two series, and a figure beside it."""
    return Findings(
        [
            Row("at 1", 0.5, (0.4, 0.6), "one", 1.0),
            Row("at 2", 0.7, (0.6, 0.8), "one", 2.0),
            Row("at 1", 0.2, None, "two", 1.0),
            Row("gain", 0.3, (0.1, 0.5), "beside"),
        ],
        Axes("x", "y"),
        "everything",
        notes="A note.",
        unplotted=("beside",),
    )


def some(name: str = "some") -> Study:
    """A study that finds that."""
    return Study(name, "Some study", "Is it?", "it is.", lambda _: findings())


def test_a_step_is_done_once(tmp_path: Path) -> None:
    """Its result outlives the process; a failed one leaves nothing behind."""
    calls: list[int] = []

    def compute() -> dict[str, list[float]]:
        calls.append(1)
        return {"a": [1.0, 2.5]}

    for _ in range(2):
        workshop = Workshop(tmp_path, tell=calls.append)  # type: ignore[arg-type]
        assert workshop.step("one", compute) == {"a": [1.0, 2.5]}
    assert calls.count(1) == 1

    def fails() -> None:
        raise DatasetError("no")

    with pytest.raises(DatasetError):
        workshop.step("two", fails)
    assert workshop.step("two", compute) == {"a": [1.0, 2.5]}


def test_other_settings_work_elsewhere(tmp_path: Path) -> None:
    """Figures of one scale are never taken for another's."""
    one, other = Workshop(tmp_path, Scale()), Workshop(tmp_path, Scale(members=51))
    assert one.figures("n", lambda: [1.0]) == [1.0]
    assert other.figures("n", lambda: [2.0]) == [2.0]
    assert one.figures("n", lambda: [3.0]) == [1.0]


def test_a_study_is_published_whole(tmp_path: Path) -> None:
    """JSON by the contract, a page that says what was simulated, a plot that is SVG."""
    publish(some(), findings(), tmp_path, "genpage study some")
    document = json.loads((tmp_path / "some.json").read_text())
    assert document["study"] == "some"
    assert document["simulated"] == "everything"
    assert document["command"] == "genpage study some"
    assert document["rows"][0]["name"] == "at 1"
    assert document["rows"][0]["value"] == 0.5
    assert document["rows"][0]["ci95"] == [0.4, 0.6]
    assert document["rows"][2]["ci95"] is None
    page = (tmp_path / "some.md").read_text()
    for part in ("Is it?", "it is.", "everything", "some.svg", "A note.", "0.4 to 0.6"):
        assert part in page
    assert ET.fromstring((tmp_path / "some.svg").read_text()).tag.endswith("svg")  # noqa: S314 - our own file
    assert sorted(path.name for path in tmp_path.iterdir()) == ["some.json", "some.md", "some.svg"]


def test_publishing_again_changes_no_byte(tmp_path: Path) -> None:
    """The same figures give the same files, the plot included."""
    for folder in ("a", "b"):
        publish(some(), findings(), tmp_path / folder, "c")
    for name in ("some.json", "some.md", "some.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_bars_are_drawn_where_nothing_has_an_x(tmp_path: Path) -> None:
    """Names stand in the plot."""
    bars = Findings([Row("left", 1.0, (0.5, 1.5)), Row("right", 2.0)], Axes("x", ""), "nothing")
    publish(some(), bars, tmp_path, "c")
    assert "right" in (tmp_path / "some.svg").read_text()


def test_a_study_must_say_what_was_simulated() -> None:
    """And must have found something."""
    with pytest.raises(DatasetError, match="simulated"):
        Findings([Row("a", 1.0)], Axes("x", "y"), "")
    with pytest.raises(DatasetError, match="found nothing"):
        Findings([], Axes("x", "y"), "all")


def test_studies_are_found_by_name() -> None:
    """Each goes by its own name; "all" is every one that is here, an unknown one is refused."""
    names = available()
    assert {"hybrid", "in-session", "multistage", "scaling", "pretraining"} <= set(names)
    assert [study(name).name for name in names] == list(names)
    assert [each.name for each in chosen("all")] == list(names)
    with pytest.raises(UsageError, match="scaling"):
        study("nothing")


def test_a_power_law_is_recovered() -> None:
    """Exactly without noise; with noise the interval holds it, and R2 falls."""
    sizes = np.array([1e4, 3e4, 1e5, 3e5, 1e6])
    exact = power_law(sizes, 7.0 * sizes**-0.12)
    assert exact.exponent.value == pytest.approx(0.12)
    assert exact.scale == pytest.approx(7.0)
    assert exact.r2 == pytest.approx(1.0)
    held = 0
    for seed in range(40):
        noise = np.exp(np.random.default_rng(seed).normal(0, 0.02, 5))
        found = power_law(sizes, 7.0 * sizes**-0.12 * noise)
        held += found.exponent.low < 0.12 < found.exponent.high
        assert 0.5 < found.r2 < 1.0
    assert held >= 35


def test_sizes_span_sixteen_fold() -> None:
    """At least five, the smallest under tiny."""
    sizes = sorted(config.trunk_parameters() for config in CONFIGS.values())
    assert len(sizes) >= 5
    assert sizes[-1] >= 16 * sizes[0]
    assert sizes[0] < ModelConfig.of_size("tiny").trunk_parameters()
