"""Fitting a draft head: it learns the pages, goes on, keeps the parent, and says what is wrong."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genpage.cli import main
from genpage.cli.drafts import Drafts
from genpage.errors import CheckpointError, DatasetError, InputError, TrainingError, UsageError
from model.checkpoint import Checkpoint
from model.drafts import DRAFTS, DraftHead
from model.trained_on import TrainedOn
from training.drafts.run import METRICS, DraftFit, Fitted
from training.drafts.settings import Settings
from training.visits import PageSize

SETTINGS = Settings(
    pages=60, held_out=12, epochs=16, width=32, depth=4, lr=1e-2, batch=4, size=PageSize(3, 6)
)
# The day after the service's last one.
TO = "2026-01-05"


def fitted(
    service: Path,
    parent: Checkpoint,
    out: Path,
    settings: Settings = SETTINGS,
    to: str | None = TO,
    *,
    fresh: bool = False,
) -> Fitted:
    """A fit that nobody watches, on one thread as tests are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fit = DraftFit(service, parent, settings, to=to, fresh=fresh)
        return fit.train(lambda: None, lambda _epoch: None, out)
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def parent(start: Path) -> Checkpoint:
    """A model after the first day, of whole rows, with something beside it."""
    return replace(Checkpoint.load(start), serialised=None, extra={"metrics.jsonl": b"{}\n"})


@pytest.fixture(scope="module")
def first(
    service: Path, parent: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Fitted, Path]:
    """A fit, and where its checkpoint lies."""
    out = tmp_path_factory.mktemp("fit") / "checkpoint"
    return fitted(service, parent, out), out


def test_a_fit_learns(
    service: Path, parent: Checkpoint, first: tuple[Fitted, Path], tmp_path: Path
) -> None:
    """The loss falls, and held-out decisions are foretold better than by an untrained head."""
    epochs = first[0].epochs
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    untrained = fitted(service, parent, tmp_path / "no", replace(SETTINGS, epochs=1, lr=1e-9))
    (right, by_scores), (right_before, by_scores_before) = (
        fit.hits.rate() for fit in (first[0], untrained)
    )
    assert right > right_before + 0.1
    assert by_scores == by_scores_before
    assert first[0].hits.numbers == (0, 1, 2, 3, 4)
    assert {rate.depth for rate in first[0].hits.rates} == {1, 2, 3, 4}


def test_the_checkpoint_is_its_parent_but_for_the_head(
    parent: Checkpoint, first: tuple[Fitted, Path]
) -> None:
    """Same weights, catalog and files; a version of its own, its pages' days, and the head."""
    child = Checkpoint.load(first[1])
    assert child.lineage.version == first[0].version != parent.lineage.version
    assert child.lineage.parent == parent.lineage.version
    assert (first[0].first, first[0].last) == ("2026-01-01", "2026-01-03")
    assert first[0].held_out == "2026-01-04"
    assert child.lineage.trained_on == TrainedOn("2026-01-01", "2026-01-03")
    assert child.catalog == parent.catalog
    for name, weight in parent.weights.items():
        assert torch.equal(weight, child.weights[name])
    assert child.extra["metrics.jsonl"] == parent.extra["metrics.jsonl"]
    assert set(child.extra) == {*parent.extra, DRAFTS, METRICS}
    losses = [json.loads(line)["loss"] for line in child.extra[METRICS].splitlines()]
    assert losses == [epoch.loss for epoch in first[0].epochs]


def test_a_fit_is_the_same_again(
    service: Path, parent: Checkpoint, first: tuple[Fitted, Path], tmp_path: Path
) -> None:
    """The same data, settings and seed give the same head and the same rates."""
    again = fitted(service, parent, tmp_path / "again")
    assert again.hits == first[0].hits
    heads = [Checkpoint.load(path).extra[DRAFTS] for path in (first[1], tmp_path / "again")]
    assert heads[0] == heads[1]


def test_a_fit_goes_on(service: Path, first: tuple[Fitted, Path], tmp_path: Path) -> None:
    """From a checkpoint with a head its head is fitted on; another width is refused."""
    parent = Checkpoint.load(first[1])
    settings = replace(SETTINGS, epochs=1, lr=1e-4, width=None)
    further = fitted(service, parent, tmp_path / "further", settings)
    assert further.before == first[0].hits
    head = DraftHead.of(Checkpoint.load(tmp_path / "further"))
    assert head is not None
    assert head.width == SETTINGS.width
    with pytest.raises(UsageError, match="--width 16 differs"):
        fitted(service, parent, tmp_path / "other", replace(SETTINGS, width=16))


def test_a_fresh_head_takes_the_place_of_a_broken_one(
    service: Path, parent: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --fresh it is refused with that advice, by the commands that read it before work."""
    bad = tmp_path / "bad"
    broken = replace(parent, extra={DRAFTS: b"nonsense"})
    broken.save(bad)
    settings = replace(SETTINGS, epochs=1, pages=4, held_out=2, width=16)
    with pytest.raises(CheckpointError, match="train drafts --fresh"):
        fitted(service, broken, tmp_path / "no", settings)
    found = fitted(service, broken, tmp_path / "mended", settings, fresh=True)
    assert found.before is None
    head = DraftHead.of(Checkpoint.load(tmp_path / "mended"))
    assert head is not None
    assert head.width == 16
    for command in (
        ["daily", "--from", str(bad), "--data", str(service), "--no-bundles", "--to", TO],
        ["export", str(bad)],
    ):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--out", str(tmp_path / command[0])])
        assert ended.value.code == 1
        said = " ".join(capsys.readouterr().err.split())
        assert f"{bad / DRAFTS} is no safetensors file" in said
        assert "train drafts --fresh" in said
        assert not list((tmp_path / command[0]).glob("[!.]*"))


@pytest.mark.parametrize("to", ["tomorrow", "2026-1-3"])
def test_a_day_that_is_none_is_refused(
    service: Path, parent: Checkpoint, tmp_path: Path, to: str
) -> None:
    """By name, as the other trainings do."""
    with pytest.raises(InputError, match=f"'{to}' is no day"):
        fitted(service, parent, tmp_path / "out", to=to)


def test_a_held_out_day_that_was_trained_on_is_told(service: Path, parent: Checkpoint) -> None:
    """Where the parent has seen all days the newest is held out, and --to may name one too."""
    lineage = replace(parent.lineage, trained_on=TrainedOn("2026-01-01", "2026-01-04"))
    settings = replace(SETTINGS, pages=4, held_out=2)
    assert DraftFit(service, replace(parent, lineage=lineage), settings).seen == "2026-01-04"
    lineage = replace(lineage, trained_on=TrainedOn("2026-01-01", "2026-01-03"))
    three = replace(parent, lineage=lineage)
    assert DraftFit(service, three, settings).seen is None
    assert DraftFit(service, three, settings, to="2026-01-04").seen == "2026-01-03"


def test_weights_that_are_none_are_not_written(
    service: Path, parent: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step's too, which no loss tells of; the advice is a flag that there is."""
    step = torch.optim.AdamW.step

    def beyond(self: torch.optim.AdamW, closure: None = None) -> object:
        done = step(self, closure)
        with torch.no_grad():
            self.param_groups[0]["params"][0].fill_(torch.nan)
        return done

    monkeypatch.setattr(torch.optim.AdamW, "step", beyond)
    settings = replace(SETTINGS, epochs=1, pages=4, held_out=2)
    with pytest.raises(TrainingError, match=r"sum of weights is nan.*lower --lr"):
        fitted(service, parent, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()
    assert "lr" in Drafts.setting_names()


def test_a_model_sees_no_other_day_by_it(service: Path, parent: Checkpoint, tmp_path: Path) -> None:
    """Without --to the day after the parent's is held out; where that leaves none, it is said."""
    two = replace(
        parent, lineage=replace(parent.lineage, trained_on=TrainedOn("2026-01-01", "2026-01-02"))
    )
    settings = replace(SETTINGS, epochs=1, pages=4, held_out=2)
    found = fitted(service, two, tmp_path / "two", settings, to=None)
    assert (found.first, found.last, found.held_out) == ("2026-01-01", "2026-01-02", "2026-01-03")
    assert Checkpoint.load(tmp_path / "two").lineage.trained_on == two.lineage.trained_on
    with pytest.raises(DatasetError, match=r"fewer than two days .* before 2026-01-02"):
        fitted(service, two, tmp_path / "none", settings, to="2026-01-02")


def test_the_command(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints the rates as one JSON line, or as a table; what is there already is refused."""
    flags = ["train", "drafts", "--from", str(start), "--data", str(service), "--pages", "8"]
    flags += ["--epochs", "2", "--width", "8", "--depth", "2", "--out", str(tmp_path / "out")]
    flags += ["--rows", "3", "--entities-per-row", "6", "--threads", "1"]
    main([*flags, "--json"])
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["version"] == Checkpoint.load(tmp_path / "out").lineage.version
    assert document["pages"] == 8
    assert document["held_out_pages"] == 24
    assert document["held_out_seen"] is False
    rates = document["rates"]
    right, count = (sum(rate[name] for rate in rates) for name in ("right", "count"))
    assert document["hits"] == pytest.approx(right / count)
    with pytest.raises(SystemExit):
        main(flags)
    assert "--force" in capsys.readouterr().err
    main([*flags, "--force"])
    table = capsys.readouterr().out
    assert "title 4" in table
    assert "before" not in table
