"""What int8 costs members: told as other commands tell it, and a gate of the export."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest
import torch
from tiny import tiny_bundle, tiny_catalog, tiny_checkpoint

import evaluation.rounding
from dataset.day import day_of
from dataset.write import new_folder
from evaluation.bundle_scorer import BundleScorer
from evaluation.metrics import gains
from evaluation.next_item import model_ranks
from evaluation.rounding import HR10_LOSS, MembersTrial, refuse_rounding, rounding
from export.agreement import Agreement
from export.bundle import export_bundle
from genpage.cli import main
from genpage.errors import ParityError
from genpage.page import Page, PageRow
from genpage.trends import Trends
from model.checkpoint import Checkpoint
from runtime.bundle import Bundle
from runtime.manifest import Rounding
from runtime.model import LoadedModel, LoadSettings

DAY = 86_400.0
FIRST = 1_704_067_200.0  # 2024-01-01
MEMBERS = 6
PAGE = Page((PageRow("r", ("a", "b")),))
# Figures that nobody would mind.
SOUND = Rounding(200, 20, 0.91, 0.5, 0.95, 0.8, 0.8, 0.9, 200, 0.145, 0.15, -0.005, (-0.02, 0.01))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    """Networks this small are slower on two threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fortnight of seeded events by eight members, over the tiny checkpoint's catalog."""
    folder = tmp_path_factory.mktemp("rounding") / "data"
    generator = np.random.default_rng(0)
    catalog = tiny_catalog()
    with new_folder(folder) as writer:
        writer.entities(catalog.entities)
        writer.rows(catalog.rows)
        profile = {"language": "en", "profile_type": "adult", "country": None, "maturity": 18}
        writer.profiles(
            pl.DataFrame([{"user_id": f"u{n}", **profile, "created_at": FIRST} for n in range(8)])
        )
        for day in range(14):
            start = FIRST + day * DAY
            events = [
                {
                    "event_id": f"{day}-{n}",
                    "user_id": f"u{generator.integers(8)}",
                    "entity_id": f"e{int(generator.exponential(12)) % 60}",
                    "action": "play",
                    "ts": start + float(generator.uniform(0, DAY)),
                }
                for n in range(10)
            ]
            writer.events(day_of(start), pl.DataFrame(events))
    return folder


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    """Random weights that count as trained."""
    return tiny_checkpoint(random=False)


@pytest.fixture(scope="module")
def saved(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint on disk."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoint"
    checkpoint.save(folder)
    return folder


def test_the_command_tells_what_other_commands_tell(
    saved: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pages as ``evaluate pages`` compares two bundles, HR@10 as next-item evaluation counts."""
    out = tmp_path / "bundle"
    flags = ["--data", str(data), "--members", str(MEMBERS), "--json"]
    main(["export", str(saved), "--out", str(out), *flags])
    told = orjson.loads(capsys.readouterr().out.splitlines()[-1])["rounding"]
    kept = Bundle.open(out).manifest.rounding
    assert kept is not None
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    float_bundle = tiny_bundle("fp32", random=False)
    main(["evaluate", "pages", "--bundle", str(float_bundle), "--against", str(out), *flags])
    document = orjson.loads(capsys.readouterr().out.splitlines()[-1])
    against = document["against"]
    assert (told["pages"], told["pages_equal"]) == (MEMBERS, against["identical"])
    for name in ("titles_shared", "same_place", "rows_shared", "rows_in_place"):
        assert told[name] == getattr(kept, name) == pytest.approx(against[name], abs=1e-4)
    for name in ("titles", "rows"):
        between = document["between_members"][f"{name}_shared"]
        assert told[f"{name}_between"] == pytest.approx(between, abs=1e-4)
    assert told["same_place"] < 1  # int8 moved something, or nothing was compared
    trial = MembersTrial.read(data, members=MEMBERS)
    own = [trial.targets.own(index) for index in range(MEMBERS)]
    for name, bundle in (("hr10", out), ("hr10_float", float_bundle)):
        model = LoadedModel.load(bundle, LoadSettings(slots=1))
        catalog = trial.source.catalog
        scorer = BundleScorer(model.with_catalog(catalog, Trends.none(catalog)))
        ranks = model_ranks(scorer, trial.source, trial.targets, own, lambda _: None)
        assert told[name] == gains(ranks)[:, 0].mean()
    assert told["questions"] == MEMBERS


def test_a_refused_bundle_is_not_written_force_or_not(
    saved: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was there stays, nothing else is left, and the error names the figure."""
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "kept").write_text("as it was", "utf-8")
    monkeypatch.setattr(evaluation.rounding, "ENOUGH_SHARED", 1.1)
    monkeypatch.setattr(evaluation.rounding, "LEAST_SHARED", 1.1)
    flags = ["--data", str(data), "--members", "2", "--force"]
    with pytest.raises(SystemExit) as stop:
        main(["export", str(saved), "--out", str(target), *flags])
    assert stop.value.code == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "int8 changes 2 members' pages too much" in said
    assert "nothing was written. Try --precision fp32" in said
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert [path.name for path in target.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        # Another member's page would do as well; nearly so; less than anybody may have.
        (replace(SOUND, titles_shared=0.8), r"80\.0% of the titles .* 85\.0% is the least"),
        (replace(SOUND, rows_shared=0.89), r"89\.0% of the rows .* 90\.0% is the least"),
        (replace(SOUND, titles_shared=0.59, titles_between=0.1), r"59\.0% .* 60\.0% is the least"),
        (replace(SOUND, rows_shared=float("nan")), "nan% of the rows"),
        (
            replace(
                SOUND, hr10=0.1, hr10_change=-0.05, hr10_change_ci95=(-0.09, -HR10_LOSS - 1e-3)
            ),
            r"HR@10 0\.100, where float32's is 0\.150",
        ),
        (replace(SOUND, hr10_change_ci95=(float("nan"),) * 2), "next titles less often"),
    ],
)
def test_each_bound_is_held(found: Rounding, complaint: str) -> None:
    """Figures that are no numbers are refused too."""
    refuse_rounding(SOUND)
    with pytest.raises(ParityError, match=complaint):
        refuse_rounding(found)


def test_a_loss_that_chance_may_explain_is_let_through() -> None:
    """A handful of members prove nothing; many with the same loss do."""
    pages = Agreement()
    pages.add(PAGE, PAGE)
    few = rounding(
        pages,
        Agreement(),
        hits=np.array([1.0] * 3 + [0.0] * 7),
        exact_hits=np.repeat([1.0, 0], [4, 6]),
    )
    assert few.hr10_change == pytest.approx(-0.1)
    refuse_rounding(few)
    many = rounding(
        pages,
        Agreement(),
        hits=np.repeat([1.0, 0], [300, 700]),
        exact_hits=np.repeat([1.0, 0], [400, 600]),
    )
    assert many.hr10_change == pytest.approx(few.hr10_change)
    with pytest.raises(ParityError, match="next titles less often"):
        refuse_rounding(many)


def test_random_weights_are_not_tried(data: Path, tmp_path: Path) -> None:
    """Their pages mean nothing."""
    trial = MembersTrial.read(data, members=2)
    manifest = export_bundle(tiny_checkpoint(), tmp_path / "bundle", trial=trial)
    assert manifest.rounding is None


def test_what_cannot_be_tried_is_said_before_the_export(
    saved: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not int8 is not tried, nor what there are no members for."""
    for flags, complaint in (
        (["--data", str(data), "--precision", "fp32"], "--data is for int8"),
        (["--data", str(data), "--precision", "fp16"], "--data is for int8"),
        (["--data", str(tmp_path)], str(tmp_path)),
        (["--members", "5"], "--members without --data"),
        (["--seed=0"], "--seed without --data"),
        (["--members=5", "--seed", "1"], "--members and --seed without --data"),
    ):
        with pytest.raises(SystemExit):
            main(["export", str(saved), "--out", str(tmp_path / "bundle"), *flags])
        assert complaint in " ".join(capsys.readouterr().err.split())
        assert not (tmp_path / "bundle").exists()


def test_a_seed_that_all_commands_are_given_is_no_flag_of_the_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment and the file configure many commands: an export without --data is one."""
    monkeypatch.setenv("GENPAGE_SEED", "3")
    monkeypatch.setenv("GENPAGE_MEMBERS", "500")
    with pytest.raises(SystemExit) as ended:
        main(["export", str(tmp_path / "none"), "--out", str(tmp_path / "bundle")])
    assert ended.value.code == 1
    assert "without --data" not in capsys.readouterr().err
