"""What a team's data can have wrong for post-training, and a disk that is full half way."""

import errno
import os
from pathlib import Path

import polars as pl
import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter

from dataset.folder import DataFolder
from genpage.errors import DatasetError, UsageError
from model.checkpoint import Checkpoint
from tokenizer.vocabulary import Vocabulary
from training.options import Options
from training.pages import Pages
from training.partial import PartialRun, State
from training.pretrain import Pretraining
from training.rewards.declaration import Rewards
from training.rewards.labels import RewardLabels
from training.run import Run
from training.trainer import Record
from training.wbc import WeightedClassification

DAY = "2026-01-02"


def altered(service: Path, path: Path, change: pl.Expr | None) -> DataFolder:
    """The small service with one day's impressions changed; None empties the day."""
    for table in ("events", "impressions"):
        (path / table).mkdir(parents=True)
        for file in (service / table).glob("*.parquet"):
            (path / table / file.name).write_bytes(file.read_bytes())
    for name in ("entities", "rows", "profiles"):
        (path / f"{name}.parquet").write_bytes((service / f"{name}.parquet").read_bytes())
    file = path / "impressions" / f"{DAY}.parquet"
    lines = pl.read_parquet(file)
    (lines.head(0) if change is None else lines.with_columns(change)).write_parquet(file)
    return DataFolder(path)


def test_a_propensity_of_zero_is_refused_with_its_place(service: Path, tmp_path: Path) -> None:
    """What was shown had a chance; the file, the line and the column are named."""
    folder = altered(service, tmp_path / "d", pl.lit(0.0).alias("propensity"))
    options = Options(data=folder.path, out=tmp_path / "c", size="micro", steps=1)
    with pytest.raises(DatasetError, match=rf"{DAY}\.parquet:1 propensity"):
        Run(options, WeightedClassification(Rewards.default()))
    assert not (tmp_path / "c").exists()


def test_a_place_without_a_position_is_refused_with_its_place(
    service: Path, tmp_path: Path
) -> None:
    """A title that stood nowhere cannot be judged where it stood."""
    nowhere = pl.when(pl.int_range(pl.len()) == 2).then(None).otherwise(pl.col("row_pos"))
    folder = altered(service, tmp_path / "d", nowhere.alias("row_pos"))
    with pytest.raises(DatasetError, match=r"\.parquet:3 row_pos"):
        folder.impressions(DAY, DAY)


def test_an_empty_day_is_passed_over(service: Path, tmp_path: Path) -> None:
    """Its neighbours are read, and nothing is counted for it."""
    folder = altered(service, tmp_path / "d", None)
    catalog = folder.catalog()
    labels = RewardLabels.read(folder, catalog, Rewards.default())
    pages = Pages.read(
        folder, Vocabulary().grown(catalog), ["2026-01-01", DAY, "2026-01-03"], None, labels=labels
    )
    assert len(pages) == 48
    assert labels.tally.pages == 48


def test_pages_without_feedback_teach_that_nothing_was_wanted(
    service: Path, tmp_path: Path
) -> None:
    """WBC takes them, as slightly bad; pretraining leaves them out."""
    folder = altered(service, tmp_path / "d", pl.lit(None, pl.String).alias("action"))
    for file in (folder.path / "events").glob(f"{DAY}.parquet"):
        pl.read_parquet(file).head(0).write_parquet(file)
    catalog = folder.catalog()
    vocabulary = Vocabulary().grown(catalog)
    labels = RewardLabels.read(folder, catalog, Rewards.default())
    judged = Pages.read(folder, vocabulary, [DAY], None, labels=labels)
    assert len(judged) == 24
    assert (judged.weights < 0).all()
    assert labels.tally.without_feedback == 24
    assert not len(Pages.read(folder, vocabulary, [DAY], None))


def test_what_was_noticed_is_told(service: Path, tmp_path: Path) -> None:
    """Feedback on pages that were never logged, and titles that left: trained on, and counted."""
    folder = altered(service, tmp_path / "d", pl.col("propensity"))
    file = folder.path / "events" / f"{DAY}.parquet"
    events = pl.read_parquet(file)
    lost = pl.format("lost-{}", "page_id").alias("page_id")
    events.with_columns(lost).write_parquet(file)
    entities = pl.read_parquet(folder.path / "entities.parquet")
    entities.filter(pl.col("id") != "e3").write_parquet(folder.path / "entities.parquet")
    gone = sum(
        int((folder.impressions(day, day)["entity_id"] == "e3").sum())
        for day in ("2026-01-01", DAY, "2026-01-03")
    )
    options = Options(data=folder.path, out=tmp_path / "c", size="micro", epochs=0.05)
    summary = Run(options, WeightedClassification(Rewards.default())).train(lambda _: None)
    assert summary.noticed["lines of titles that left the catalog"] == gone > 0
    assert 0 < summary.noticed["events of pages that are not there"] <= len(events)


def test_a_page_logged_twice_is_refused_with_its_place(service: Path, tmp_path: Path) -> None:
    """It would weigh double; the first line of the repetition is named."""
    folder = altered(service, tmp_path / "d", pl.lit(0.1).alias("propensity"))
    file = folder.path / "impressions" / f"{DAY}.parquet"
    lines = pl.read_parquet(file)
    pl.concat([lines, lines]).write_parquet(file)
    labels = RewardLabels.read(folder, folder.catalog(), Rewards.default(), until=0.0)
    with pytest.raises(DatasetError, match=rf":{len(lines) + 1} col_pos: .*twice"):
        Pages.read(folder, Vocabulary(), [DAY], None, labels=labels)


def test_a_full_disk_leaves_the_last_state_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write that fails is of another name; what was saved before is what is gone on from."""
    partial = PartialRun(tmp_path / "out", {"lr": 1.0})
    assert partial.open(force=False) is None
    partial.save(State(3, 30, 0, {"w": torch.ones(2)}, {}))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(OSError, match="No space left"):
            partial.save(State(4, 40, 0, {"w": torch.zeros(2)}, {}))
    state = PartialRun(tmp_path / "out", {"lr": 1.0}).open(force=False)
    assert state is not None
    assert (state.step, state.network["w"].tolist(), state.memory) == (3, [1.0, 1.0], {})


def test_the_metrics_that_a_state_counts_on_reach_the_disk_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut the run would otherwise go on behind lines that are not there."""
    partial = PartialRun(tmp_path / "out", {"lr": 1.0})
    partial.open(force=False)
    partial.metrics.write_bytes(b"{}\n")
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    partial.save(State(1, 10, 3, {"w": torch.ones(2)}, {}))
    assert synced.index("metrics.jsonl") < synced.index(".state.pt.unfinished")


def test_a_state_of_another_version_is_told(tmp_path: Path) -> None:
    """By its file, and what to do."""
    partial = PartialRun(tmp_path / "out", {"lr": 1.0})
    partial.open(force=False)
    torch.save({"step": 3, "heads": {}}, partial.folder / "state.pt")
    with pytest.raises(UsageError, match=r"state\.pt is of another version.*delete"):
        partial.open(force=False)


def test_a_checkpoint_that_does_not_fit_the_disk_is_not_half_there(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stands under its name; the run can be taken up again, to the same end."""
    options = Options(
        data=service, out=tmp_path / "c", size="micro", steps=2, batch_tokens=512, save_every=1
    )

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("model.checkpoint.save_arrays", full)
        with pytest.raises(OSError, match="No space left"):
            Run(options, Pretraining()).train(lambda _: None)
    assert not (tmp_path / "c").exists()
    summary = Run(options, Pretraining()).train(lambda _: None)
    assert summary.resumed_after == 2
    assert (tmp_path / "c" / "checkpoint.json").exists()


def test_clocks_that_run_back_within_a_day_change_nothing(service: Path, tmp_path: Path) -> None:
    """Lines stand in the order of a log, not of time: what is learnt is the same, to the bit."""
    folder = altered(service, tmp_path / "d", pl.lit(0.1).alias("propensity"))
    for table in ("events", "impressions"):
        for file in (folder.path / table).glob("*.parquet"):
            pl.read_parquet(file).reverse().write_parquet(file)
    checkpoints = []
    for data in (service, folder.path):
        out = tmp_path / f"of-{data.name}"
        options = Options(data=data, out=out, size="micro", steps=2, batch_tokens=512)
        Run(options, Pretraining()).train(lambda _: None)
        checkpoints.append(Checkpoint.load(out))
    one, other = checkpoints
    for name, weight in one.weights.items():
        assert torch.equal(weight, other.weights[name]), name


def test_a_clock_that_runs_back_into_another_day_is_refused_with_its_place(
    service: Path, tmp_path: Path
) -> None:
    """A day's file holds that day: what was logged before midnight belongs to the day before."""
    folder = altered(service, tmp_path / "d", pl.lit(0.1).alias("propensity"))
    file = folder.path / "events" / f"{DAY}.parquet"
    back = pl.when(pl.int_range(pl.len()) == 1).then(pl.col("ts") - 86_400.0)
    pl.read_parquet(file).with_columns(back.otherwise(pl.col("ts")).alias("ts")).write_parquet(file)
    options = Options(data=folder.path, out=tmp_path / "c", size="micro", steps=1)
    with pytest.raises(DatasetError, match=rf"{DAY}\.parquet:2 ts"):
        Run(options, Pretraining())


def test_a_full_disk_leaves_the_processes_last_state_whole(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails is a folder of another name; the run goes on from the state before it."""
    options = Options(
        data=service, out=tmp_path / "c", size="micro", steps=3, batch_tokens=512, save_every=1
    )
    written = [0]

    def full(*_: object) -> None:
        written[0] += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    def watch(record: Record) -> None:
        if record.step == 1:
            monkeypatch.setattr(FileSystemWriter, "write_data", full)

    with pytest.raises(OSError, match="No space left"):
        Run(options, Pretraining()).train(watch)
    assert written == [1]
    monkeypatch.undo()
    assert Run(options, Pretraining()).train(lambda _: None).resumed_after == 1
