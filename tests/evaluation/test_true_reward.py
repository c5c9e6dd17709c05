"""True rewards of checkpoints' pages: the twin's pages, the judge's word, the same visits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dataset.folder import DataFolder
from dataset.write import new_folder
from evaluation.intervals import mean_of
from evaluation.multistage.learning import learn_pipeline
from evaluation.policy import Policy
from evaluation.true_reward import decode, judge_checkpoint, judge_pipeline
from genpage.cli import main, run
from genpage.errors import UsageError
from genpage.page import Page, PageRow
from genpage.rules import Rules
from model.checkpoint import Checkpoint
from model.decode import decode_page
from model.trained_on import TrainedOn
from model.twin import TorchTwin
from simulation.judge import Judge, Showing
from simulation.service import simulate
from simulation.settings import Settings
from tokenizer.prompt import PromptEncoder
from training.start import fresh_checkpoint
from training.visits import PageSize, Visits

SIZE = PageSize(2, 5)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few members and days of a simulated service."""
    folder = tmp_path_factory.mktemp("judged") / "data"
    with new_folder(folder) as writer:
        simulate(Settings(members=30, entities=120, days=3, seed=2), writer)
    return folder


@pytest.fixture(scope="module")
def checkpoint(simulated: Path) -> Checkpoint:
    """Random weights over its catalog."""
    torch.set_num_threads(1)
    return fresh_checkpoint(DataFolder(simulated).catalog(), "micro", rules=Rules.default(), seed=0)


def test_a_checkpoint_is_judged_by_the_pages_of_its_slow_twin(
    simulated: Path, checkpoint: Checkpoint
) -> None:
    """Page by page: decoded without a cache, judged one at a time; and no rule is broken."""
    day = DataFolder(simulated).days()[-1]
    judged = judge_checkpoint(simulated, checkpoint, [day], count=4, size=SIZE)
    folder = DataFolder(simulated)
    catalog = folder.catalog()
    encoder = PromptEncoder(checkpoint.vocabulary)
    visits = Visits.read(folder, catalog, encoder, [day], count=4, size=SIZE)
    judge, twin = Judge.open(simulated), TorchTwin(checkpoint)
    rows, entities = checkpoint.vocabulary.item_tokens(catalog)
    for reward, visit in zip(judged.rewards, visits.visits, strict=True):
        decoded = decode_page(
            twin,
            visit.prompt,
            visit.grammar(catalog, checkpoint.rules),
            row_tokens=rows,
            entity_tokens=entities,
            rows=SIZE.rows,
        )
        page = Page(
            tuple(
                PageRow(
                    catalog.rows[row.row].id, tuple(catalog.entities[e].id for e in row.entities)
                )
                for row in decoded
            )
        )
        request = visit.request
        one = judge.reward(Showing(page, request.user_id, request.at, request.device))
        assert reward == pytest.approx(one, rel=1e-5)
    assert judged.violations == 0


def test_the_same_seed_names_the_same_visits(simulated: Path, checkpoint: Checkpoint) -> None:
    """So that models are compared on the same requests; what was known lies before each."""
    folder = DataFolder(simulated)
    catalog = folder.catalog()
    encoder = PromptEncoder(checkpoint.vocabulary)
    day = folder.days()[-1]
    first, again = (
        Visits.read(folder, catalog, encoder, [day], count=6, size=SIZE, seed=3) for _ in range(2)
    )
    assert [v.request for v in first.visits] == [v.request for v in again.visits]
    events = folder.events()
    for visit in first.visits:
        known = [event.ts for event in visit.context.events]
        assert all(ts < visit.request.at for ts in known)
        mine = events.filter(events["user_id"] == visit.request.user_id)
        assert len(known) == int((mine["ts"] < visit.request.at).sum())
    assert len(decode(checkpoint, catalog, first, Policy())) == 6


def test_a_service_without_a_truth_cannot_be_judged(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Real members cannot be asked: said plainly."""
    with pytest.raises(UsageError, match="no truth"):
        judge_checkpoint(tmp_path, checkpoint, ["2026-10-31"], count=2, size=SIZE)


def test_members_are_numbered_for_the_bootstrap(simulated: Path, checkpoint: Checkpoint) -> None:
    """Visits of one member share a number."""
    days = DataFolder(simulated).days()
    judged = judge_checkpoint(simulated, checkpoint, days[-2:], count=12, size=SIZE)
    assert len(judged.members) == len(judged.rewards)
    assert len(np.unique(judged.members)) == judged.members.max() + 1
    estimate = mean_of(judged.rewards, judged.members)
    assert estimate.low <= estimate.value <= estimate.high


def test_the_pipeline_is_judged_on_the_same_visits(simulated: Path, checkpoint: Checkpoint) -> None:
    """Whose visits they are does not depend on who is judged; nobody breaks a rule."""
    day = DataFolder(simulated).days()[-1]
    model = judge_checkpoint(simulated, checkpoint, [day], count=4, size=SIZE)
    pipeline = judge_pipeline(simulated, checkpoint, day, count=4, size=SIZE)
    assert pipeline.members.tolist() == model.members.tolist()
    assert pipeline.rewards.shape == model.rewards.shape
    assert not np.array_equal(pipeline.rewards, model.rewards)
    assert pipeline.violations == 0


def test_the_command_compares_with_the_pipeline(
    simulated: Path, checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stands first, and the model's uplift is the one over it."""
    held = tmp_path / "checkpoint"
    checkpoint.save(held)
    words = ["evaluate", "reward", str(held), "--data", str(simulated), "--visits", "4"]
    main([*words, "--rows", "2", "--entities-per-row", "5", "--multistage", "--json"])
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    pipeline, model = document["models"]
    assert (pipeline["checkpoint"], model["checkpoint"]) == ("multistage", str(held))
    share = model["true_reward"]["value"] / pipeline["true_reward"]["value"] - 1.0
    assert model["over_first"]["value"] == pytest.approx(share)
    assert pipeline["over_first"]["value"] == 0.0
    # How much it learnt from decides how good it is: told beside its figure.
    folder = DataFolder(simulated)
    learnt = learn_pipeline(folder, folder.days()[-1], rules=checkpoint.rules).rankers.pages
    assert pipeline["pages_learnt_from"] == learnt > 0
    assert "pages_learnt_from" not in model
    main([*words, "--rows", "2", "--entities-per-row", "5", "--multistage"])
    assert f"multistage learnt from {learnt:,} pages" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", ["reward", "page-quality"])
@pytest.mark.parametrize("ago", [0, 1])
def test_days_that_a_checkpoint_was_trained_on_are_refused(
    simulated: Path, checkpoint: Checkpoint, tmp_path: Path, command: str, ago: int
) -> None:
    """By its name, before anything is judged; up to the evening before, it may be asked."""
    days = DataFolder(simulated).days()
    seen = TrainedOn(days[0], days[-1 - ago])
    checkpoint.save(tmp_path / "unseen")
    held = tmp_path / "held"
    replace(checkpoint, lineage=replace(checkpoint.lineage, trained_on=seen)).save(held)
    size = ("--rows", "2", "--entities-per-row", "5", "--visits", "4", "--json")
    words = ["evaluate", "reward", str(tmp_path / "unseen"), str(held)]
    if command == "page-quality":
        words = ["evaluate", "page-quality", "--checkpoint", f"{tmp_path / 'unseen'},{held}"]
        words += ["--pages", "4"]
    words += ["--data", str(simulated), *size]
    if ago:
        run(words)
    else:
        with pytest.raises(UsageError, match=f"held was trained up to .*, past --.* {days[-1]}"):
            run(words)
