"""A checkpoint survives the disk, and is refused when anything about it is wrong."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genpage.errors import CheckpointError
from genpage.staging import staged
from model.checkpoint import Checkpoint, Lineage
from model.manifest import MANIFEST

from .conftest import MakeCheckpoint


def change_manifest(folder: Path, **changes: object) -> None:
    """Rewrite some keys of checkpoint.json; None takes a key out."""
    document = json.loads((folder / MANIFEST).read_text("utf-8"))
    document.update(changes)
    kept = {key: value for key, value in document.items() if value != "REMOVE"}
    (folder / MANIFEST).write_text(json.dumps(kept), "utf-8")


@pytest.fixture(scope="module")
def saved(make_checkpoint: MakeCheckpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint on disk; read only."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoint"
    make_checkpoint().save(folder)
    return folder


def test_round_trip(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Everything that was saved is there after loading, to the bit."""
    folder = tmp_path / "deep" / "checkpoint"
    checkpoint.save(folder)
    loaded = Checkpoint.load(folder)
    assert loaded.config == checkpoint.config
    assert loaded.lineage == checkpoint.lineage
    assert loaded.random
    assert loaded.vocabulary == checkpoint.vocabulary
    assert loaded.catalog.version == checkpoint.catalog.version
    assert loaded.rules == checkpoint.rules
    assert np.array_equal(loaded.trends.scores, checkpoint.trends.scores)
    assert np.array_equal(loaded.encoder["projection"], checkpoint.encoder["projection"])
    assert loaded.history_tokens == checkpoint.history_tokens
    assert torch.equal(loaded.content, checkpoint.content)
    assert set(loaded.weights) == set(checkpoint.weights)
    for name, value in checkpoint.weights.items():
        assert torch.equal(loaded.weights[name], value)


def test_saving_replaces_and_leaves_nothing_else(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A second save takes the first one's place; no temporary folder stays behind."""
    folder = tmp_path / "checkpoint"
    checkpoint.save(folder)
    lineage = Lineage.fresh("tiny", parent=checkpoint.lineage.version)
    newer = replace(checkpoint, lineage=lineage)
    newer.save(folder)
    assert Checkpoint.load(folder).lineage == newer.lineage
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_versions_are_unique() -> None:
    """Two checkpoints written in the same second have different versions."""
    assert Lineage.fresh("tiny").version != Lineage.fresh("tiny").version


def test_a_failed_save_leaves_the_old_one(tmp_path: Path) -> None:
    """An error while writing keeps what was there and removes the unfinished folder."""
    target = tmp_path / "checkpoint"
    target.mkdir()
    (target / "old").write_text("old", "utf-8")

    def interrupted() -> None:
        with staged(target) as unfinished:
            (unfinished / "new").write_text("new", "utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    assert (target / "old").read_text("utf-8") == "old"


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "catalog.json", "vocabulary.json", "rules.toml"]
)
def test_a_flipped_byte_is_refused(checkpoint: Checkpoint, tmp_path: Path, name: str) -> None:
    """Any change to any file is found by its digest."""
    checkpoint.save(tmp_path / "c")
    path = tmp_path / "c" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        Checkpoint.load(tmp_path / "c")


def test_a_missing_file_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A folder copied by half is refused by the missing file's name."""
    checkpoint.save(tmp_path / "c")
    (tmp_path / "c" / "trends.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"trends\.safetensors"):
        Checkpoint.load(tmp_path / "c")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    """Some other folder is no checkpoint."""
    with pytest.raises(CheckpointError, match="no checkpoint"):
        Checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"schema": 99}, "schema"),
        ({"surprise": 1}, "surprise"),
        ({"version": "REMOVE"}, "version"),
        ({"files": {}}, "files"),
        ({"files": ["weights.safetensors"]}, "files"),
        ({"files": {"../weights.safetensors": "0" * 64}}, "files"),
        ({"files": {"weights.safetensors": 7}}, "files"),
        ({"trained_on": "2026-01-01"}, "trained_on"),
        ({"trained_on": ["2026-01-01"]}, "trained_on"),
        ({"trained_on": ["yesterday", "today"]}, "trained_on"),
        ({"config": 5}, "config"),
        ({"config": {}}, "config"),
        ({"version": None}, "version"),
        ({"size": "huge"}, "size"),
        ({"random": "no"}, "random"),
        ({"history_tokens": 0.5}, "history_tokens"),
        ({"created_at": float("nan")}, "created_at"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(
    checkpoint: Checkpoint, tmp_path: Path, changes: dict[str, object], names: str
) -> None:
    """Another schema, unknown and missing keys are refused by name."""
    checkpoint.save(tmp_path / "c")
    change_manifest(tmp_path / "c", **changes)
    with pytest.raises(CheckpointError, match=names):
        Checkpoint.load(tmp_path / "c")


@given(random=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_damaged_manifest_is_never_a_traceback(saved: Path, random: Random) -> None:
    """Cut short, or with bytes of it changed: it loads as it was, or is a typed error."""
    damaged = bytearray((saved / MANIFEST).read_bytes())
    if random.random() < 0.3:
        del damaged[random.randrange(len(damaged)) :]
    for _ in range(random.randrange(1, 4)):
        if damaged:
            damaged[random.randrange(len(damaged))] = random.choice(b'0159-"[]{},:.nulltrue\xff')
    with TemporaryDirectory() as folder:
        for path in saved.iterdir():
            Path(folder, path.name).symlink_to(path)
        Path(folder, MANIFEST).unlink()
        Path(folder, MANIFEST).write_bytes(damaged)
        with suppress(CheckpointError):
            Checkpoint.load(Path(folder))


@pytest.mark.parametrize("wrong", [None, [], "", 3, {"a": 1}, True, -1, 1e400])
def test_any_key_of_any_type_is_refused_or_read(saved: Path, tmp_path: Path, wrong: object) -> None:
    """Each key in turn holds something else."""
    for key in json.loads((saved / MANIFEST).read_bytes()):
        folder = tmp_path / key
        shutil.copytree(saved, folder)
        change_manifest(folder, **{key: wrong})
        with suppress(CheckpointError):
            Checkpoint.load(folder)


def test_an_unknown_config_key_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A config of a later version is refused, not guessed at."""
    checkpoint.save(tmp_path / "c")
    change_manifest(tmp_path / "c", config={**checkpoint.config.to_document(), "experts": 8})
    with pytest.raises(CheckpointError, match="experts"):
        Checkpoint.load(tmp_path / "c")


def test_an_appeal_of_an_earlier_version_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A quality of output vectors is none of titles: it is not read as one, but trained again."""
    old = {**checkpoint.weights, "appeal.quality": torch.ones(checkpoint.config.width)}
    replace(checkpoint, weights=old).save(tmp_path / "c")
    with pytest.raises(CheckpointError, match=r"appeal\.quality is of an .*train it again") as told:
        Checkpoint.load(tmp_path / "c")
    assert "\n" not in str(told.value)
    # One that learnt nothing is left out.
    old["appeal.quality"].zero_()
    replace(checkpoint, weights=old).save(tmp_path / "c")
    kept = Checkpoint.load(tmp_path / "c").weights["appeal.quality"]
    assert torch.equal(kept, torch.zeros(checkpoint.vocabulary.size))


def test_weights_of_another_shape_are_refused(checkpoint: Checkpoint) -> None:
    """A config that does not fit its weights is a typed error naming a weight."""
    weights = {**checkpoint.weights, "trunk.norm.weight": torch.ones(3)}
    wrong = Checkpoint(
        checkpoint.config,
        weights,
        checkpoint.content,
        checkpoint.vocabulary,
        checkpoint.catalog,
        checkpoint.encoder,
        checkpoint.rules,
        checkpoint.trends,
        checkpoint.lineage,
    )
    with pytest.raises(CheckpointError, match=r"trunk\.norm\.weight"):
        wrong.network()
