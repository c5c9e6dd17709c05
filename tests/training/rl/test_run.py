"""A run of RL: it raises what it is paid for, breaks no rule, survives a kill, notices a cheat."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from genpage.catalog import Catalog
from genpage.errors import CheckpointError, DatasetError, InputError, UsageError
from genpage.page import Page
from genpage.promise import PROMISES
from model.checkpoint import Checkpoint
from model.packing import Packing
from model.sampling import SampledPage, Shape
from model.trained_on import TrainedOn
from tokenizer.appeal import PageAppeal
from tokenizer.vocabulary import Vocabulary
from training.reward_model import HEADS, ValueHead
from training.rl.form import Form
from training.rl.outcome import Line
from training.rl.policy import Sheet
from training.rl.run import ReinforcementRun
from training.rl.sampled import Table
from training.rl.settings import Settings
from training.shown_titles import ShownTitles
from training.visits import PageSize, Visit

SETTINGS = Settings(
    steps=8,
    visits=3,
    group=6,
    size=PageSize(1, 4),
    temperature=1.0,
    lr=8e-3,
    kl=0.001,
    kl_target=1.0,
    pool=24,
    look_every=2,
    look_visits=12,
    save_every=1,
)
GENRES = ("Drama", "Comedy", "Crime")
FORM = Form(rows=1)


class Bait:
    """A reward model that can be cheated: it pays for one genre, whoever asks."""

    def __init__(self, vocabulary: Vocabulary, genre: int) -> None:
        pays = torch.zeros(vocabulary.size)
        for entity_id, token in vocabulary.entity_tokens.items():
            pays[token] = 1.0 if int(entity_id[1:]) % 3 == genre else 0.0
        self._pays = pays

    def beside(self, visit: Visit) -> None:
        """Whoever asks."""

    def values(self, tokens: torch.Tensor, packing: Packing, titles: ShownTitles) -> torch.Tensor:
        """One for a title of the genre."""
        assert not titles.beside.any()
        assert packing.tokens == len(tokens)
        return self._pays[titles.tokens]


class Judge:
    """Knows what the members want, and likes or hates the bait."""

    def __init__(self, sign: float, genre: int) -> None:
        self._sign, self._genre = sign, genre

    def __call__(self, pages: Sequence[Page], visits: Sequence[Visit]) -> NDArray[np.float64]:
        """The number of the bait's titles, by the sign."""
        assert len(pages) == len(visits)
        counts = [
            sum(int(e[1:]) % 3 == self._genre for row in page.rows for e in row.entity_ids)
            for page in pages
        ]
        return self._sign * np.array(counts, np.float64)


def run_of(
    service: Path,
    out: Path,
    parent: Checkpoint,
    settings: Settings = SETTINGS,
    sign: float = 1.0,
    genre: int = 0,
) -> ReinforcementRun:
    """A run against the bait, with a judge."""
    bait, judge = Bait(parent.vocabulary, genre), Judge(sign, genre)
    return ReinforcementRun(service, out, parent, bait, settings, form=FORM, truth=judge)


@pytest.fixture(scope="module")
def finished(
    service: Path, parent: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[Line, ...]]:
    """A whole run whose reward is honest."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("rl") / "policy"
    return out, run_of(service, out, parent).train(lambda _: None).lines


def test_it_raises_what_it_is_paid_for(finished: tuple[Path, tuple[Line, ...]]) -> None:
    """The sampled pages' reward rises well above where it began; no rule is ever broken."""
    lines = finished[1]
    first, last = (np.mean([line.reward for line in part]) for part in (lines[:2], lines[-2:]))
    assert last > first + 1.0
    assert sum(line.violations for line in lines) == 0
    assert lines[-1].kl > 0
    assert lines[-1].entropy < lines[0].entropy


def test_the_checkpoint_carries_its_curves(finished: tuple[Path, tuple[Line, ...]]) -> None:
    """Metrics as JSON lines and as a picture, a lineage, and no trace of the unfinished run."""
    out, lines = finished
    checkpoint = Checkpoint.load(out)
    logged = [json.loads(line) for line in checkpoint.extra["metrics.jsonl"].splitlines()]
    assert [line["step"] for line in logged] == list(range(1, SETTINGS.steps + 1))
    assert [line["true"] is not None for line in logged] == [step % 2 == 0 for step in range(1, 9)]
    assert checkpoint.extra["rl.svg"].startswith(b"<?xml")
    assert not out.with_name("policy.partial").exists()
    assert len(lines) == SETTINGS.steps


@pytest.mark.parametrize("steps", [1, 4])
def test_a_killed_run_goes_on_to_the_same_curve(
    finished: tuple[Path, tuple[Line, ...]],
    service: Path,
    parent: Checkpoint,
    tmp_path: Path,
    steps: int,
) -> None:
    """Killed after a step, it ends with the same lines and the same weights, to the bit."""

    class KilledError(Exception):
        pass

    def kill(line: Line) -> None:
        if line.step == steps:
            raise KilledError

    out = tmp_path / "policy"
    with pytest.raises(KilledError):
        run_of(service, out, parent).train(kill)
    lines = run_of(service, out, parent).train(lambda _: None).lines
    assert [replace(line, seconds=0) for line in lines] == [
        replace(line, seconds=0) for line in finished[1]
    ]
    whole, resumed = Checkpoint.load(finished[0]), Checkpoint.load(out)
    assert all(torch.equal(whole.weights[name], resumed.weights[name]) for name in whole.weights)


def test_a_cheat_is_caught(service: Path, parent: Checkpoint, tmp_path: Path) -> None:
    """The model pays for what the members hate: the run stops early and keeps where it began."""
    settings = replace(SETTINGS, steps=40)
    run = run_of(service, tmp_path / "p", parent, settings, sign=-1.0, genre=1)
    outcome = run.train(lambda _: None)
    assert outcome.ending == "reward hacking"
    assert len(outcome.lines) < 40
    looks = [line for line in outcome.lines if line.true is not None]
    assert looks[-1].predicted is not None
    assert looks[-1].predicted > outcome.lines[0].reward
    weights = Checkpoint.load(tmp_path / "p").weights
    assert outcome.kept == 0
    assert all(torch.equal(weights[name], parent.weights[name]) for name in parent.weights)


def test_page_credit_learns_too(service: Path, parent: Checkpoint, tmp_path: Path) -> None:
    """METHOD's own credit: the page's advantage on every pick of it."""
    settings = replace(SETTINGS, credit="page", updates=2)
    run = ReinforcementRun(
        service, tmp_path / "p", parent, Bait(parent.vocabulary, 0), settings, form=FORM
    )
    outcome = run.train(lambda _: None)
    assert outcome.ending == "budget"
    assert outcome.kept == settings.steps
    first, last = (
        np.mean([line.reward for line in part]) for part in (outcome.lines[:2], outcome.lines[-2:])
    )
    assert last > first


def test_promise_and_crowding_are_learnt_and_titles_appeal_is_not(
    service: Path, parent: Checkpoint, tmp_path: Path
) -> None:
    """What a page's titles do to one another is RL's; what each is worth alone stays WBC's."""
    settings = replace(SETTINGS, steps=2)
    bait = Bait(parent.vocabulary, 0)
    ReinforcementRun(service, tmp_path / "p", parent, bait, settings, form=FORM).train(
        lambda _: None
    )
    weights = Checkpoint.load(tmp_path / "p").weights
    moved = {
        name.removeprefix("appeal."): float((value - parent.weights[name]).abs().max())
        for name, value in weights.items()
        if name.startswith("appeal.") and not torch.equal(value, parent.weights[name])
    }
    assert moved.keys() == {"promise", "crowd"}
    # Adam's step is about the rate, whatever the slope.
    step = settings.lr * settings.appeal_pace
    assert moved["promise"] == pytest.approx(2 * step, rel=0.5)


def test_a_day_that_nobody_asks_the_truth_of_is_not_read(
    service: Path, parent: Checkpoint, tmp_path: Path
) -> None:
    """The last day is held out for the truth: without one, RL does not depend on what it holds."""
    data = tmp_path / "data"
    shutil.copytree(service, data)
    for table in ("events", "impressions"):
        (data / table / "2026-01-04.parquet").write_bytes(b"no Parquet")
    settings = replace(SETTINGS, steps=1)
    bait = Bait(parent.vocabulary, 0)
    run = ReinforcementRun(data, tmp_path / "p", parent, bait, settings, form=FORM)
    assert run.train(lambda _: None).kept == 1
    with pytest.raises(DatasetError, match=r"2026-01-04\.parquet"):
        run_of(data, tmp_path / "q", parent, settings)


def test_trends_are_by_the_catalog_beside_them(
    service: Path, parent: Checkpoint, tmp_path: Path
) -> None:
    """Where the catalog grew since the parent was trained, its counts stay with their titles."""
    old = parent.catalog
    small = Catalog.build(old.entities[1:], old.rows)
    younger = replace(parent, catalog=small, trends=parent.trends.moved(old, small))
    settings = replace(SETTINGS, steps=1)
    bait = Bait(parent.vocabulary, 0)
    run = ReinforcementRun(service, tmp_path / "p", younger, bait, settings, form=FORM)
    run.train(lambda _: None)
    child = Checkpoint.load(tmp_path / "p")
    assert child.catalog == old
    assert parent.trends.scores[1:].any()
    np.testing.assert_array_equal(child.trends.scores, [0.0, *parent.trends.scores[1:]])


@pytest.mark.parametrize("to", ["tomorrow", "2026-1-3"])
def test_a_day_that_is_none_is_refused(
    service: Path, parent: Checkpoint, tmp_path: Path, to: str
) -> None:
    """By name, as pretraining does."""
    bait = Bait(parent.vocabulary, 0)
    with pytest.raises(InputError, match=f"'{to}' is no day"):
        ReinforcementRun(service, tmp_path / "p", parent, bait, SETTINGS, to=to)


def test_a_checkpoint_that_is_no_reward_model_is_refused(
    service: Path, parent: Checkpoint, tmp_path: Path
) -> None:
    """Nor is one of another vocabulary, whose tokens mean other titles, or of other rows."""
    with pytest.raises(CheckpointError, match="no value head"):
        ReinforcementRun(service, tmp_path / "p", parent, parent, SETTINGS)
    items = parent.vocabulary.items
    other = replace(parent, vocabulary=Vocabulary((items[1], items[0], *items[2:])))
    with pytest.raises(CheckpointError, match="another vocabulary"):
        ReinforcementRun(service, tmp_path / "p", parent, other, SETTINGS)
    short = replace(parent, serialised=2)
    with pytest.raises(CheckpointError, match="differ in --serialised"):
        ReinforcementRun(service, tmp_path / "p", parent, short, SETTINGS)


def reward_model(parent: Checkpoint, version: str, days: TrainedOn) -> Checkpoint:
    """One that says nothing, of these days."""
    head = {f"value.{n}": t for n, t in ValueHead(parent.config.width).state_dict().items()}
    lineage = replace(parent.lineage, version=version, trained_on=days)
    return replace(parent, lineage=lineage, extra={HEADS: save(head)})


def test_its_own_days_and_the_reward_models_are_told(
    service: Path, parent: Checkpoint, tmp_path: Path
) -> None:
    """Beside its parent's: whoever judges it by one of them asks about what it has seen."""
    first = TrainedOn("2026-01-01", "2026-01-01")
    young = replace(parent, lineage=replace(parent.lineage, trained_on=first))
    settings = replace(SETTINGS, steps=1, days=1)
    valuer = Bait(parent.vocabulary, 0)
    ReinforcementRun(
        service, tmp_path / "later", young, valuer, replace(settings, days=2), form=FORM
    ).train(lambda _: None)
    seen = Checkpoint.load(tmp_path / "later").lineage.trained_on
    assert seen == TrainedOn("2026-01-01", "2026-01-03")
    # A day whose truth chose the step is none to be judged by either.
    ReinforcementRun(
        service, tmp_path / "true", young, valuer, settings, form=FORM, truth=Judge(1.0, 0)
    ).train(lambda _: None)
    seen = Checkpoint.load(tmp_path / "true").lineage.trained_on
    assert seen == TrainedOn("2026-01-01", "2026-01-04")
    model = reward_model(parent, "m", TrainedOn("2026-01-01", "2026-01-02"))
    ReinforcementRun(
        service, tmp_path / "told", young, model, settings, form=FORM, to="2026-01-03"
    ).train(lambda _: None)
    seen = Checkpoint.load(tmp_path / "told").lineage.trained_on
    assert seen == TrainedOn("2026-01-01", "2026-01-02")


def test_a_run_goes_on_with_the_reward_model_that_it_began_with(
    service: Path, parent: Checkpoint, tmp_path: Path
) -> None:
    """Another one in between would be neither curve; nor is one that began on another machine."""

    def run_by(version: str) -> ReinforcementRun:
        model = reward_model(parent, version, TrainedOn("2026-01-01", "2026-01-02"))
        return ReinforcementRun(service, tmp_path / "p", parent, model, SETTINGS, form=FORM)

    def kill(_: Line) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_by("first").train(kill)
    with pytest.raises(UsageError, match="reward_model = 'first', now 'second'"):
        run_by("second").train(kill)
    moved = run_by("first")
    moved.device = torch.device("meta")
    with pytest.raises(UsageError, match="device = 'cpu', now 'meta'"):
        moved.train(kill)


def test_every_page_of_a_group_is_audited(
    service: Path, parent: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that breaks a rule counts wherever it stands among its likes."""
    monkeypatch.setattr(Table, "broken", lambda *_: 1)
    settings = replace(SETTINGS, steps=1)
    outcome = run_of(service, tmp_path / "p", parent, settings).train(lambda _: None)
    assert outcome.lines[0].violations == settings.visits * settings.group


def test_held_out_members_who_may_be_shown_nothing_are_told(
    service: Path, parent: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the day and the rules, where there is no page to look at."""

    def empty(*_: object) -> list[SampledPage]:
        return [SampledPage(np.zeros(3, np.int32), 3, (), ())] * SETTINGS.look_visits

    monkeypatch.setattr(Table, "groups", empty)
    with pytest.raises(
        DatasetError, match=r"came on 2026-01-04, the held-out day.*check the rules"
    ):
        run_of(service, tmp_path / "p", parent).train(lambda _: None)


class Echo:
    """Pays for a title what it was told beside: its number, and a thousand for the first visit."""

    def __init__(self, first: Visit, entities: int) -> None:
        self._first, self._entities = first, entities
        self.asked = 0

    def beside(self, visit: Visit) -> PageAppeal:
        """By the title's number."""
        self.asked += 1
        numbers = np.arange(self._entities, dtype=np.float32) + 1000.0 * (visit is self._first)
        return PageAppeal.of(numbers, np.zeros(PROMISES, np.float32))

    def values(self, tokens: torch.Tensor, packing: Packing, titles: ShownTitles) -> torch.Tensor:
        """What it was told."""
        assert packing.tokens == len(tokens)
        return titles.beside


@pytest.mark.parametrize("serialised", [None, 1, 3])
def test_what_is_known_beside_reaches_its_title(
    service: Path, parent: Checkpoint, tmp_path: Path, serialised: int | None
) -> None:
    """Each pick is valued by its own title and its own visit, which is asked once."""
    table = run_of(service, tmp_path / "p", parent)._table
    visits = table.visits.visits[:2]
    echo = Echo(visits[0], len(table.entities))
    table = replace(table, valuer=echo)
    pages = table.groups(parent.network(), visits, 2, Shape(2, 2, 1.0, serialised), 3)
    owners = [visits[0], visits[0], visits[1], visits[1]]
    sheet = Sheet.of(pages, torch.device("cpu"))
    worth = table.worth(pages, sheet, owners)
    by_hand: list[float] = []
    for page, owner in zip(pages, owners, strict=True):
        for row in page.rows:
            by_hand.append(0.0)
            by_hand += [entity + 1000.0 * (owner is visits[0]) for entity in row.entities]
    assert worth.values.tolist() == by_hand
    assert worth.rewards.sum() == pytest.approx(sum(by_hand) + float(worth.form.sum()))
    assert echo.asked == 2
