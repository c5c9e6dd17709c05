"""Chains are drafts as serving makes them: which state foretells what, whole rows and short."""

import numpy as np
import torch

from model.drafts import DraftHead
from model.twin import TorchTwin
from runtime.draft_head import DraftHead as ServedHead
from training.drafts.chains import Chains
from training.drafts.decided import DecidedPage, Deciding
from training.drafts.fit import Vectors

DEPTH = 5


def test_a_decision_is_the_best_of_what_it_was_between(
    deciding: Deciding, pages: list[DecidedPage]
) -> None:
    """What is told again beside what was chosen: the twin's best of it, at every decision."""
    twin = TorchTwin(deciding.checkpoint)
    rows, titles = deciding.checkpoint.vocabulary.item_tokens(deciding.visits.catalog)
    tokens = np.concatenate([rows, titles])
    for page in pages:
        several = 0
        for first, decided, between in zip(
            page.first, page.decided, deciding.between(page), strict=True
        ):
            prefix = np.concatenate([page.visit.prompt, tokens[page.items[:first]]])
            scores = twin.scores(prefix.astype(np.int32))[between.items] + between.added
            assert between.items[scores.argmax()] == decided
            several += len(between.items) > 1
        assert several > len(page.first) / 2


def test_what_the_pages_decisions_are(deciding: Deciding, pages: list[DecidedPage]) -> None:
    """A whole row takes five, its fill one of them; the tail of a short row is none."""
    kinds = [0, 1, 2, 3, 4] if deciding.checkpoint.serialised is None else [0, 1, 2]
    length = 7 if deciding.checkpoint.serialised is None else 3
    for page in pages:
        assert page.number.tolist() == kinds * 3
        assert len(page.items) == 3 * length
        assert page.first.tolist() == [
            row * length + number for row in range(3) for number in range(len(kinds))
        ]
        assert len(page.choices) == 3 * (len(kinds) + (deciding.checkpoint.serialised is not None))


def test_chains_are_drafts_one_by_one(deciding: Deciding, pages: list[DecidedPage]) -> None:
    """Each pair's state is the serving head's, told token by token from where the chain starts."""
    checkpoint = deciding.checkpoint
    head = DraftHead(checkpoint.config.width, 16)
    head.initialise(5)
    arrays = {name: value.numpy() for name, value in head.state_dict().items()}
    served = ServedHead.from_arrays(arrays, checkpoint.config.width)
    items = checkpoint.vocabulary.item_tokens(deciding.visits.catalog)
    vectors = Vectors.of(deciding.network, *items)
    chains = Chains.of(pages, DEPTH)
    with torch.inference_mode():
        hidden = torch.cat([torch.from_numpy(page.hidden) for page in pages])
        every = torch.cat([torch.from_numpy(page.items) for page in pages]).long()
        states = chains.states(head, hidden, head.heard(vectors.inputs[every])).numpy()
    found = {
        (int(chains.begins[chain]), decision): state
        for chain, decision, state in zip(
            chains.chain, chains.decision.tolist(), states, strict=True
        )
    }
    before = 0
    for page in pages:
        count = len(page.first)
        for start in range(count):
            state = served.begin(page.hidden[start])
            for item in range(page.first[start], page.first[-1]):
                heard = served.hear(vectors.inputs[page.items[item]].numpy())
                state = served.follow(state, heard)
                behind = np.flatnonzero(page.first == item + 1)
                if len(behind) and behind[0] <= start + DEPTH:
                    told = found.pop((before + start, before + int(behind[0])))
                    np.testing.assert_allclose(told, state, rtol=1e-4, atol=1e-5)
        before += count
    assert not found
    assert chains.depth.max() == DEPTH
