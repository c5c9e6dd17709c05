"""The frame: restartable steps, a page with table, plot and JSON, figures that mean something."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from evaluation.intervals import Estimate
from evaluation.multistage.learning import LearningSettings
from evaluation.studies import models
from evaluation.studies.carrying_out import Outcome, carry_out
from evaluation.studies.catalogue import MODULES, available, chosen, study
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.publish import publish
from evaluation.studies.scaling import CONFIGS, power_law
from evaluation.studies.study import Study
from evaluation.studies.version import EVERYTHING as ROOMS
from evaluation.studies.version import NOTHING_DECIDED, code_of
from evaluation.studies.workshop import Scale, Workshop
from genpage.cli.study import StudyCommand
from genpage.errors import DatasetError, UsageError
from genpage.source_files import digest_of
from model.config import ModelConfig
from training.appraisal import Appraisal
from training.wbc import WeightedClassification


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


@pytest.mark.parametrize("held", ["{", "{}", "7", '["one"]', "[null]"])
def test_a_step_that_was_damaged_is_named(tmp_path: Path, held: str) -> None:
    """With what to do; nothing is made of it."""
    workshop = Workshop(tmp_path, tell=lambda _: None)
    workshop.figures("some", lambda: [1.0])
    (workshop.steps / "some.json").write_text(held)
    with pytest.raises(DatasetError, match=r"some\.json holds .*remove it"):
        workshop.figures("some", lambda: [1.0])
    if held != "{}":
        with pytest.raises(DatasetError, match=r"some\.json holds .*remove it"):
            workshop.mapping("some", dict)


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


@pytest.mark.parametrize("held", ["[[0.1, 0.0, 0.2]]", '[{"value": 1}]', '["one"]', "{}"])
def test_estimates_are_read_as_they_were_written(tmp_path: Path, held: str) -> None:
    """Each with its own interval; damaged ones are named."""
    workshop = Workshop(tmp_path, tell=lambda _: None)
    found = [Estimate(0.5, 0.25, 0.75), Estimate(2.0, 1.0, 3.0)]
    assert workshop.estimates("some", lambda: found) == found
    assert workshop.estimates("some", list) == found
    (workshop.steps / "some.json").write_text(held)
    with pytest.raises(DatasetError, match=r"some\.json holds .*remove it"):
        workshop.estimates("some", lambda: found)


def test_other_settings_work_elsewhere(tmp_path: Path) -> None:
    """Figures of one scale are never taken for another's."""
    one, other = Workshop(tmp_path, Scale()), Workshop(tmp_path, Scale(members=51))
    assert one.figures("n", lambda: [1.0]) == [1.0]
    assert other.figures("n", lambda: [2.0]) == [2.0]
    assert one.figures("n", lambda: [3.0]) == [1.0]


def test_what_studies_share_is_named_by_its_settings(tmp_path: Path) -> None:
    """One service for models of all sizes; steps of a study are its own."""
    tiny, micro = (Workshop(tmp_path, Scale(size=size)) for size in ("tiny", "micro"))
    assert tiny.folder != micro.folder
    assert tiny.folder.parent == micro.folder.parent
    one, other = tiny.of("one"), tiny.of("other")
    assert one.figures("n", lambda: [1.0]) == [1.0]
    assert other.figures("n", lambda: [2.0]) == [2.0]
    one.forget()
    assert one.figures("n", lambda: [3.0]) == [3.0]
    assert other.figures("n", lambda: [4.0]) == [2.0]


def test_a_finished_study_is_not_run_again(tmp_path: Path) -> None:
    """Unless it is forced, or what was published is gone; one that fails stops no other."""
    runs: list[str] = []

    def counted(workshop: Workshop) -> Findings:
        runs.append(workshop.steps.name)
        return findings()

    def fails(workshop: Workshop) -> Findings:
        runs.append(workshop.steps.name)
        raise DatasetError("no pages")

    studies = [replace(some("broken"), run=fails), replace(some(), run=counted)]
    workshop, out = Workshop(tmp_path / "work"), tmp_path / "out"

    def outcomes(*, force: bool = False) -> list[Outcome]:
        return list(carry_out(studies, workshop, out, lambda study: study.name, force=force))

    broken, first = outcomes()
    assert isinstance(broken.failure, DatasetError)
    assert (broken.document, first.skipped) == (None, False)
    _, second = outcomes()
    assert second.skipped
    assert second.document == first.document
    assert runs == ["broken", "some", "broken"]
    (out / "some.svg").unlink()
    assert not outcomes()[1].skipped
    assert (out / "some.svg").is_file()
    assert not outcomes(force=True)[1].skipped
    assert runs.count("some") == 3


def test_other_code_runs_a_study_again(tmp_path: Path) -> None:
    """What was finished, measured and trained by older code is not taken for this one's."""
    out = tmp_path / "out"

    def outcome(code: str) -> Outcome:
        workshop = Workshop(tmp_path / "work", code=lambda rooms: f"{code}{len(rooms)}")
        assert workshop.step("measured", lambda: code) == code
        return next(carry_out([some()], workshop, out, lambda study: study.name))

    assert [outcome(code).skipped for code in ("a", "a", "b", "b", "a")] == [
        *(False, True, False, True, True)
    ]


def test_a_version_is_of_every_source_file(tmp_path: Path) -> None:
    """Another line, name or rule is another version; what nobody runs, or only asks, is none."""
    room = tmp_path / "room"
    (room / "inner").mkdir(parents=True)
    (room / "cli").mkdir()
    (room / "one.py").write_text("A = 1\n")
    versions = [digest_of([room], NOTHING_DECIDED)]
    for change in (
        lambda: (room / "one.py").write_text("A = 2\n"),
        lambda: (room / "inner" / "two.py").write_text(""),
        lambda: (room / "inner" / "two.py").rename(room / "inner" / "three.py"),
        lambda: (room / "rules.toml").write_text("a = 1\n"),
    ):
        change()
        versions.append(digest_of([room], NOTHING_DECIDED))
    assert len(set(versions)) == len(versions)
    (room / "cli" / "command.py").write_text("B = 1\n")
    (room / "one.pyc").write_bytes(b"x")
    assert digest_of([room], NOTHING_DECIDED) == versions[-1]
    assert digest_of([room]) != versions[-1]
    assert code_of(("evaluation",)) != code_of(("evaluation", "model"))
    assert all(find_spec(name) is not None for name in ROOMS)


def test_the_pipeline_and_the_model_learn_from_as_many_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One budget: the recipe's, the pipeline's, the studies' and the command's are the same."""
    assert LearningSettings().pages == Appraisal().pages == Scale().pages
    flags = StudyCommand.model_fields
    for name in ("members", "entities", "days", "size", "steps", "visits", "pages", "seed"):
        assert flags[name].default == getattr(Scale(), name), name
    asked: list[int] = []

    def trained(_: Workshop, name: str, objective: WeightedClassification, **_how: object) -> Path:
        if name.startswith("wbc"):
            assert objective.switches.appraisal is not None
            asked.append(objective.switches.appraisal.pages)
        return tmp_path / name

    monkeypatch.setattr(Workshop, "trained", trained)
    workshop = Workshop(tmp_path, Scale(pages=77))
    models.classified(workshop)
    models.unprepared(workshop, 2)
    assert asked == [77, 77]


def test_rl_and_its_reward_model_go_on_from_wbc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `genpage train recipe`: the reward model holds WBC's appeal of titles."""
    parents: dict[str, Path | None] = {}

    def trained(
        _: Workshop, name: str, _objective: object, *, parent: Path | None = None, **_how: object
    ) -> Path:
        parents[name] = parent
        return tmp_path / name

    monkeypatch.setattr(Workshop, "trained", trained)
    models.reward_model(Workshop(tmp_path))
    assert parents == {
        "pretrained": None,
        "wbc": tmp_path / "pretrained",
        "reward-model": tmp_path / "wbc",
    }


def test_a_study_is_published_whole(tmp_path: Path) -> None:
    """JSON by the contract, a page that says what was simulated, a plot that is SVG."""
    publish(some(), findings(), tmp_path, "genpage study some")
    document = json.loads((tmp_path / "some.json").read_text())
    assert document["study"] == "some"
    assert document["simulated"] == "everything"
    assert document["command"] == "genpage study some"
    assert document["rows"][0] == {"name": "one: at 1", "value": 0.5, "ci95": [0.4, 0.6]}
    assert document["rows"][2] == {"name": "two: at 1", "value": 0.2, "ci95": None}
    assert set(document) == {"study", "rows", "simulated", "command"}
    page = (tmp_path / "some.md").read_text()
    for part in (
        "Is it?",
        "it is.",
        "everything",
        "some.svg",
        "A note.",
        "0.4 to 0.6",
        code_of(ROOMS),
    ):
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
    assert set(names) == set(MODULES)
    assert set(names) == {
        *("pretraining", "context", "scaling", "rl", "in-session"),
        *("hybrid", "daily", "multistage", "cold-start", "short-rows"),
    }
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
