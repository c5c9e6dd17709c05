"""A bundle as a scorer, over a backend without a model."""

from dataclasses import dataclass, field

import numpy as np

from evaluation.bundle_scorer import BundleScorer
from evaluation.next_item import next_item
from evaluation.targets import targets_between
from genpage.audience import Audience
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from runtime.arrays import IntArray
from runtime.asking import Asking
from runtime.fake import EMPTY, FakeBackend, FakeHead, absorb, hidden_of
from runtime.foresight import Foresight
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import Vocabulary

from .conftest import MakeLog, MakeSource, question


@dataclass(frozen=True)
class Served:
    """What a loaded bundle is, with the fake backend and head."""

    catalog: Catalog
    encoder: PromptEncoder
    backend: FakeBackend
    head: FakeHead
    row_tokens: IntArray
    entity_tokens: IntArray
    rules: Rules
    trends: Trends
    digest: str = field(default="fake")
    serialised: int | None = None
    foresight: Foresight | None = None
    asking: Asking | None = None

    def appeal(self, context: Context, request: PageRequest, trends: Trends) -> None:
        """Of pages; nobody asks for one here."""
        raise NotImplementedError

    def scope(self, audience: Audience | None) -> None:
        """By the head."""


def served(catalog: Catalog) -> Served:
    """A fake bundle over a catalog."""
    vocabulary = Vocabulary().grown(catalog)
    return Served(
        catalog,
        PromptEncoder(vocabulary),
        FakeBackend(),
        FakeHead(len(catalog.rows), len(catalog.entities)),
        *vocabulary.item_tokens(catalog),
        Rules.default(),
        Trends.none(catalog),
    )


def test_scores_stand_at_each_prompts_last_token(
    make_log: MakeLog, make_source: MakeSource
) -> None:
    """Each line is the head's scores of that prompt alone, rows left out."""
    catalog = make_source(make_log()).catalog
    model = served(catalog)
    prompts = [np.array(tokens, np.int32) for tokens in ([5, 6, 7], [5], [9, 9, 9, 9])]
    found = BundleScorer(model).scores([question(p, catalog) for p in prompts])
    assert found.shape == (3, len(catalog.entities))
    for line, prompt in zip(found, prompts, strict=True):
        state = EMPTY
        for token in prompt.tolist():
            state = absorb(state, token)
        whole = model.head.scores(np.array([hidden_of(state)], np.float32))[0]
        assert np.array_equal(line, whole[len(catalog.rows) :])


def test_a_bundle_is_evaluated(make_log: MakeLog, make_source: MakeSource) -> None:
    """The rolling evaluation takes it as it takes any scorer."""
    log = make_log()
    source = make_source(log)
    targets = targets_between(log, 100 * 3600.0, 500 * 3600.0)
    found = next_item(source, targets, BundleScorer(served(source.catalog)))
    assert found.model is not None
    assert found.model.overall.n == len(targets)
