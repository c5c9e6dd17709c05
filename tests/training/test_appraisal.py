"""The appeal by itself: what titles bring is found again, on the scale that WBC classifies on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dataset.folder import DataFolder
from genpage.rules import Rules
from model.appeal import Appeal, AppealInputs
from tokenizer.appeal import GAIN
from tokenizer.content import content_encoder
from tokenizer.crowd import CROWDS, crowding
from tokenizer.prompt import PromptEncoder
from tokenizer.signals import places_of
from tokenizer.signs import ASKED, SIGN_NAMES, SIGNS, WISHES, Titles
from training.appraisal import Appraisal, appraise
from training.examples import ExampleBuilder
from training.options import Options
from training.pages import Pages
from training.pretrain import Pretraining
from training.rewards.declaration import Rewards
from training.rewards.labels import RewardLabels
from training.run import Run
from training.seen import SeenTitles
from training.start import fresh_checkpoint
from training.timeline import Timeline
from training.trainer import Record
from training.wbc import WeightedClassification

IGNORED = -0.02
CONTENT = 6
TITLES = 8
VOCABULARY = 30
TOKENS = torch.arange(TITLES) * 3 + 2
HOW = Appraisal(epochs=30, batch=512, lr=2e-2, decay=0.0)


def world(lines: int = 12_000) -> tuple[SeenTitles, np.ndarray, np.ndarray]:
    """Titles long or short, begun or new: acts at these odds, bringing this; what was seen."""
    chance = np.random.default_rng(4)
    signs = np.zeros((lines, SIGNS), np.float32)
    begun, hours = chance.integers(0, 2, lines), chance.integers(0, 3, lines)
    signs[:, SIGN_NAMES.index("begun")] = begun
    signs[:, SIGN_NAMES.index("hours")] = hours
    signs[:, SIGN_NAMES.index("kind_film")] = 1.0
    odds = np.exp(-2.0 + 1.5 * begun - 0.5 * hours)
    brings = 0.3 * np.exp(0.8 * hours)
    acted = chance.random(lines) < odds / (1 + odds)
    # Half of the acts bring nothing much, and a tenth a loss.
    spread = chance.choice([-0.5, 0.05, 2.125], size=lines, p=[0.1, 0.4, 0.5])
    reward = np.where(acted, brings * spread / spread.mean() * 1.0, IGNORED)
    reward = np.where(acted & (np.abs(reward) < 2e-2), 0.03, reward)
    pages = np.sort(chance.integers(0, 300, lines))
    seen = SeenTitles(
        signs=torch.from_numpy(signs),
        page=torch.from_numpy(np.unique(pages, return_inverse=True)[1].astype(np.int64)),
        entity=torch.from_numpy(chance.integers(0, TITLES, lines)),
        reward=torch.from_numpy(reward.astype(np.float32)),
        wishes=torch.zeros(300, WISHES, CONTENT),
        asked=torch.zeros(300, ASKED),
        crowd=torch.zeros(lines, CROWDS),
    )
    return seen, odds, brings


def fresh() -> Appeal:
    """Initialised, with a quality of titles that the appraisal is to put away."""
    appeal = Appeal(CONTENT, VOCABULARY)
    appeal.initialise(torch.Generator().manual_seed(0))
    appeal.quality.data.fill_(3.0)
    return appeal


def of_lines(appeal: Appeal, seen: SeenTitles) -> torch.Tensor:
    """(n,) the appeal of each line's title, as training computes it."""
    inputs = AppealInputs(
        seen.signs.T[None], torch.zeros(1, WISHES, CONTENT), torch.zeros(1, ASKED), torch.zeros(1)
    )
    inputs = replace(inputs, content=torch.zeros(len(seen), CONTENT))
    with torch.no_grad():
        found: torch.Tensor = appeal(inputs, TOKENS[seen.entity])[0]
    return found


@pytest.mark.parametrize("emphasis", [1.0, 1.5])
def test_titles_are_ordered_by_what_they_bring(emphasis: float) -> None:
    """The appeal follows log odds + emphasis x log of the mean reward, up to one line."""
    seen, odds, brings = world()
    appeal = fresh()
    how = replace(HOW, emphasis=emphasis)
    assert appraise(appeal, seen, torch.zeros(TITLES, CONTENT), TOKENS, IGNORED, how)
    found = of_lines(appeal, seen).double().numpy()
    true = np.log(odds) + emphasis * np.log(brings)
    slope, offset = np.polyfit(true, found, 1)
    assert slope > 0.5
    assert np.abs(found - slope * true - offset).max() < 0.35 * np.ptp(found)
    assert np.corrcoef(found, true)[0, 1] > 0.97
    # No title is better than its signs say; what was said of tokens that are no titles is gone.
    assert appeal.quality.abs().max() < 0.1 * np.ptp(found) / GAIN
    assert appeal.quality.count_nonzero() == TITLES


def test_a_title_that_is_better_than_its_signs_is_known() -> None:
    """Acted on twice as often as its signs say, and shown as often."""
    seen, _, _ = world()
    better = seen.entity == 3
    chance = torch.rand(len(seen), generator=torch.Generator().manual_seed(1))
    reward = torch.where(better & (chance < 0.3), torch.tensor(0.5), seen.reward)
    appeal = fresh()
    assert appraise(
        appeal, replace(seen, reward=reward), torch.zeros(TITLES, CONTENT), TOKENS, IGNORED, HOW
    )
    quality = appeal.quality.detach()[TOKENS]
    assert int(quality.argmax()) == 3
    assert quality[3] - quality.sort().values[-2] > 0.3 / GAIN


def test_what_crowds_is_told_from_what_a_title_is() -> None:
    """Titles behind others like them are acted on less: found beside their own signs."""
    seen, _, _ = world(24_000)
    chance = np.random.default_rng(7)
    crowd = chance.random((len(seen), CROWDS)).astype(np.float32) * 2.0
    # Half of the acts behind the most crowded places did not come.
    lost = (seen.reward > 0).numpy() & (chance.random(len(seen)) > np.exp(-0.7 * crowd[:, 1]))
    reward = torch.where(torch.from_numpy(lost), IGNORED, seen.reward)
    appeal = fresh()
    crowded = replace(seen, reward=reward, crowd=torch.from_numpy(crowd))
    assert appraise(appeal, crowded, torch.zeros(TITLES, CONTENT), TOKENS, IGNORED, HOW)
    first, second = (float(GAIN * weight) for weight in appeal.crowd.detach())
    begun = float(np.ptp(of_lines(appeal, seen).numpy()))
    assert second < -0.1 * begun
    assert abs(first) < 0.25 * abs(second)


def test_the_scale_is_where_signs_are_classified_best() -> None:
    """The weighted classification's loss has no slope left along the line."""
    seen, _, _ = world()
    appeal = fresh()
    appraise(appeal, seen, torch.zeros(TITLES, CONTENT), TOKENS, IGNORED, HOW)
    values = of_lines(appeal, seen).double()
    weights, good = seen.reward.abs().double(), (seen.reward > 0).double()
    off = weights * (torch.sigmoid(values) - good)
    total = float(weights.sum())
    assert float(off.sum()) / total == pytest.approx(0.0, abs=1e-4)
    assert float((off * values).sum()) / total == pytest.approx(0.0, abs=1e-3)


def test_it_is_the_same_every_time_and_says_when_there_is_nothing() -> None:
    """Same seed, same weights; where nobody acted, nothing is changed."""
    seen, _, _ = world(2000)
    few = Appraisal(epochs=1, batch=256)
    first, second = fresh(), fresh()
    for appeal in (first, second):
        appraise(appeal, seen, torch.zeros(TITLES, CONTENT), TOKENS, IGNORED, few)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )
    idle = replace(seen, reward=torch.full_like(seen.reward, IGNORED))
    untouched = fresh()
    assert not appraise(untouched, idle, torch.zeros(TITLES, CONTENT), TOKENS, IGNORED, few)
    assert all(
        torch.equal(a, b) for a, b in zip(untouched.parameters(), fresh().parameters(), strict=True)
    )


def test_what_was_seen_is_what_batches_hold(folder: DataFolder, timeline: Timeline) -> None:
    """Of the newest pages: the signs of the seen titles alone are those among all titles'."""
    labels = RewardLabels.read(folder, timeline.catalog, Rewards.default())
    pages = Pages.read(folder, timeline.vocabulary, folder.days(), None, labels=labels)
    timeline.learn_injections(pages.ts)
    start = fresh_checkpoint(timeline.catalog, "micro", rules=Rules.default(), seed=1)
    titles = Titles.of(timeline.catalog, content_encoder(start.encoder))
    encoder = PromptEncoder(timeline.vocabulary)
    builder = ExampleBuilder(timeline, pages, encoder, until=float("inf"), titles=titles)
    tokens = timeline.vocabulary.item_tokens(timeline.catalog)[1]
    places = places_of(tokens, timeline.vocabulary.size)
    seen = SeenTitles.of(builder, pages, places, titles.content, 5)
    assert seen is not None
    newest = np.argsort(pages.ts, kind="stable")[-5:]
    assert int(seen.page.max()) == 4
    for number, page in enumerate(newest.tolist()):
        mine = seen.page == number
        whole = builder.signs(page)
        assert whole is not None
        entity = seen.entity[mine].numpy()
        assert seen.signs[mine].numpy() == pytest.approx(whole.titles[:, entity].T, abs=1e-6)
        shown = pages.tokens_of(page)
        counted = ~pages.is_row[shown] & (pages.weights[shown] != 0)
        assert entity.tolist() == places[pages.tokens[shown][counted]].tolist()
        assert seen.reward[mine].tolist() == pages.weights[shown][counted].tolist()
        # All that stood above crowds, seen or not; every row's titles are counted from its own.
        is_row = pages.is_row[shown]
        column = np.concatenate(
            [np.arange(count) for count in np.diff(np.append(np.flatnonzero(is_row), len(is_row)))]
        )
        stood = ~is_row
        around = crowding(titles.content[places[pages.tokens[shown][stood]]], column[stood] - 1)
        assert seen.crowd[mine].numpy() == pytest.approx(around[counted[stood]], abs=1e-5)


def test_wbc_begins_with_it_and_leaves_it(service: Path, tmp_path: Path) -> None:
    """Steps leave titles' appeal as the appraisal made it; rows' promise has moved."""
    options = Options(data=service, out=tmp_path / "w", size="micro", steps=2, batch_tokens=1024)
    run = Run(options, WeightedClassification(Rewards.default()))
    held: list[dict[str, torch.Tensor]] = []

    def watch(_record: Record) -> None:
        now = run.network.appeal.state_dict()
        held.append({name: value.clone() for name, value in now.items()})

    run.train(watch)
    one, two = held
    assert one["outer"].abs().sum() > 0
    for name in ("inner", "asked", "bias", "outer", "plain", "wish", "title", "quality"):
        assert torch.equal(one[name], two[name]), name
    assert not torch.equal(one["promise"], two["promise"])
    assert float(one["outer"].abs().max()) * GAIN < 50.0


def test_pretraining_has_no_appraisal(service: Path, tmp_path: Path) -> None:
    """It has no rewards: its titles' appeal is learnt with the sequences."""
    options = Options(data=service, out=tmp_path / "p", size="micro", steps=1, batch_tokens=1024)
    run = Run(options, Pretraining())
    before = run.network.appeal.plain.detach().clone()
    run.train(lambda _: None)
    assert not torch.equal(before, run.network.appeal.plain.detach())
