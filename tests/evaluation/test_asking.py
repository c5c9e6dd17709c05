"""The question for the next title: PyTorch and the served bundle give the same scores."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import tiny_bundle, tiny_catalog, tiny_checkpoint

from evaluation.bundle_scorer import BundleScorer
from evaluation.checkpoint_scorer import CheckpointScorer
from evaluation.scorer import Question
from export.bundle import asking_of
from genpage.context import Context
from genpage.errors import BundleError
from genpage.event import Event
from genpage.injection import Injection
from genpage.request import PageRequest
from genpage.trends import SIGNAL_HALF_LIVES_S, Trends
from model.checkpoint import Checkpoint
from runtime.asking import Asking
from runtime.model import LoadedModel, LoadSettings
from tokenizer.neighbours import Neighbours
from tokenizer.signals import KINDS, Signals
from tokenizer.symbols import ITEM_START

NOON = 1_700_049_600.0


def asked_checkpoint() -> Checkpoint:
    """The tiny checkpoint with a random question, and random lists of what goes together."""
    checkpoint = tiny_checkpoint()
    generator = np.random.default_rng(3)
    weights = dict(checkpoint.weights)
    for name in [name for name in weights if name.startswith(("signals.", "asks."))]:
        scale = 0.3 if "heat" in name else 0.05
        drawn = generator.normal(0.0, scale, tuple(weights[name].shape))
        weights[name] = torch.from_numpy(drawn).float()
    size = checkpoint.vocabulary.size
    items = len(checkpoint.catalog.rows) + ITEM_START
    lists = {}
    for kind in KINDS:
        counts = np.where(np.arange(size) >= items, generator.integers(0, 5, size), 0)
        total = int(counts.sum())
        lists[kind] = Neighbours(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            generator.integers(items, size, total).astype(np.int32),
            generator.uniform(0.01, 0.5, total).astype(np.float32),
        )
    return replace(checkpoint, weights=weights, signals=Signals(lists))


def questions(scorer: CheckpointScorer | BundleScorer, trends: Trends) -> list[Question]:
    """Of members with a few and with many events, some of titles that nobody knows."""
    found = []
    for length in (1, 3, 60):
        events = tuple(
            Event(f"v{n}", "u", f"e{n * 7 % 70}", "play", NOON - 5_000.0 * (length - n) ** 1.5)
            for n in range(length)
        )
        context, request = Context("u", events=events), PageRequest("u", NOON)
        found.append(Question(scorer.encoder.encode(context, request, Injection()), trends))
    return found


@pytest.mark.timeout(300)  # the first to ask for the tiny bundle waits for its export
def test_bundle_and_checkpoint_agree_on_questions() -> None:
    """The same scores (fp32) over a catalog with unseen titles; signals change them."""
    checkpoint, catalog = asked_checkpoint(), tiny_catalog(70)
    chance = np.random.default_rng(1)
    paces = chance.exponential(3.0, (len(SIGNAL_HALF_LIVES_S), 70)).astype(np.float32)
    trends = Trends(paces[1], paces)
    ours = CheckpointScorer(checkpoint, catalog)
    loaded = LoadedModel.load(tiny_bundle("fp32"), LoadSettings(slots=1))
    asking = asking_of(checkpoint)
    assert asking is not None
    assert asking_of(tiny_checkpoint()) is None
    read = Asking.from_arrays(asking.to_arrays(), checkpoint.config.width)
    model = replace(loaded, asking=read).with_catalog(catalog, Trends.none(catalog))
    theirs = BundleScorer(model)
    expected = ours.scores(questions(ours, trends))
    found = theirs.scores(questions(theirs, trends))
    assert found.shape == (3, 70)
    assert np.allclose(found, expected, atol=2e-4)
    still = Trends(np.zeros(70, np.float32))
    assert np.abs(expected - ours.scores(questions(ours, still))).max() > 0.05


def test_a_question_of_another_width_is_refused() -> None:
    """Shapes are the model's, or the bundle is refused with what to do."""
    asking = asking_of(asked_checkpoint())
    assert asking is not None
    with pytest.raises(BundleError, match="export the checkpoint again"):
        Asking.from_arrays(asking.to_arrays(), 128)
    broken = asking.to_arrays()
    broken["sit.offsets"] = broken["sit.offsets"] + 1
    with pytest.raises(BundleError, match="contradict"):
        Asking.from_arrays(broken, 64)
