"""The served bundle scores as the checkpoint does, on titles newer than both as well."""

import numpy as np
import pytest
from tiny import tiny_bundle, tiny_catalog, tiny_checkpoint

from evaluation.bundle_scorer import BundleScorer
from evaluation.checkpoint_scorer import CheckpointScorer
from evaluation.scorer import Question
from genpage.context import Context
from genpage.event import Event
from genpage.injection import Injection
from genpage.request import PageRequest
from genpage.trends import Trends
from runtime.model import LoadedModel, LoadSettings

NOON = 1_700_049_600.0


@pytest.mark.timeout(300)  # the first to ask for the tiny bundle waits for its export
def test_bundle_and_checkpoint_agree() -> None:
    """The same prompts, tokens and scores (fp32) over a catalog with nine unseen titles."""
    catalog = tiny_catalog(70)
    torch_scorer = CheckpointScorer(tiny_checkpoint(), catalog)
    loaded = LoadedModel.load(tiny_bundle("fp32"), LoadSettings(slots=1))
    served_scorer = BundleScorer(loaded.with_catalog(catalog, Trends.none(catalog)))
    questions = []
    for length in (0, 3, 60):
        events = tuple(
            Event(f"v{n}", "u", f"e{n * 7 % 70}", "play", NOON - 5_000.0 * (length - n))
            for n in range(length)
        )
        asked = (Context("u", events=events), PageRequest("u", NOON), Injection(new=("e69", "e3")))
        ours, theirs = (s.encoder.encode(*asked) for s in (torch_scorer, served_scorer))
        assert np.array_equal(ours.tokens, theirs.tokens)
        questions.append(Question(ours, Trends.none(catalog)))
    expected, found = torch_scorer.scores(questions), served_scorer.scores(questions)
    assert found.shape == (3, 70)
    assert expected.std() > 0.05
    assert np.allclose(found, expected, atol=2e-4)
