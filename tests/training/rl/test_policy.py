"""How likely a page was: against a plain loop over its picks, and against how often it is drawn."""

import copy
from collections import Counter

import numpy as np
import pytest
import torch

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.grammar import PageGrammar
from genpage.request import PageRequest
from genpage.row import Row, Where
from genpage.rules import Rules
from genpage.trends import Trends
from model.config import ModelConfig
from model.network import Network
from model.packing import Packing
from model.sampling import PageSampler, SampledPage, Shape
from tokenizer.appeal import GAIN, PageAppeal
from tokenizer.vocabulary import IntArray, Vocabulary
from training.rl.policy import Sheet, likelihood, plackett_luce

TEMPERATURE = 0.1


def catalog() -> Catalog:
    """Eight films in two genres, a row a genre and one for all."""
    genres = ("Drama", "Comedy")
    films = [Entity(f"e{n}", "film", f"Film {n}", genres=(genres[n % 2],)) for n in range(8)]
    rows = [Row(f"r-{g}", "genre", g, where=Where(genres_any=(g,))) for g in genres]
    return Catalog.build(films, [*rows, Row("r-all", "genre", "All")])


@pytest.fixture(scope="module")
def world() -> tuple[Catalog, Network, IntArray, IntArray]:
    """A network of random weights over the films."""
    films = catalog()
    vocabulary = Vocabulary().grown(films)
    shape = ModelConfig(width=64, layers=1, heads=2, kv_heads=1, head_dim=64, ffn=64)
    network = Network(shape, vocabulary.size, torch.zeros(vocabulary.size, 4))
    network.initialise(3)
    return films, network.eval(), *vocabulary.item_tokens(films)


def sampled(
    world: tuple[Catalog, Network, IntArray, IntArray],
    count: int,
    rows: int,
    per_row: int,
    serialised: int | None = None,
) -> list[SampledPage]:
    """Pages of one prompt; the second entity of a row comes with the fill."""
    films, network, row_tokens, entity_tokens = world
    request = PageRequest("u", 1.7e9, entities_per_row=per_row)
    grammars = [
        PageGrammar.start(films, Rules.default(), Context("u"), request, Trends.none(films))
        for _ in range(count)
    ]
    shape = Shape(rows, 2, TEMPERATURE, serialised)
    sampler = PageSampler(network, row_tokens, entity_tokens, shape)
    prompt = np.array([5, 9, 10], np.int32)
    return sampler.pages([prompt], grammars, seed=1)


@pytest.mark.parametrize("serialised", [None, 1, 2])
def test_log_chances_against_a_plain_loop(
    world: tuple[Catalog, Network, IntArray, IntArray], serialised: int | None
) -> None:
    """Pick by pick: its softmax among what was allowed and not yet picked there."""
    _, network, row_tokens, entity_tokens = world
    pages = sampled(world, 3, 2, 3, serialised)
    sheet = Sheet.of(pages, torch.device("cpu"))
    with torch.no_grad():
        found = likelihood(network, sheet, row_tokens, entity_tokens, TEMPERATURE)
        output = network.output_table()
    by_hand = []
    for page in pages:
        tokens = torch.from_numpy(page.tokens).long()
        with torch.no_grad():
            hidden = network.hidden(tokens, Packing.single(len(tokens)))
        for choice in page.choices:
            items = row_tokens if choice.is_row else entity_tokens
            left = set(np.flatnonzero(choice.allowed).tolist())
            for pick in choice.picks:
                scores = {i: float(hidden[choice.position] @ output[items[i]]) for i in left}
                total = sum(np.exp(score / TEMPERATURE) for score in scores.values())
                by_hand.append(scores[pick] / TEMPERATURE - np.log(total))
                left.remove(pick)
    assert found.log_chances.tolist() == pytest.approx(by_hand, abs=1e-4)
    assert sheet.page.tolist() == [n for n in range(3) for _ in range(2 * 4)]
    assert sheet.tokens[sheet.token[sheet.told]].tolist() == [
        token for page in pages for token in page.tokens[page.prompt :]
    ]
    most = serialised or 3
    assert sheet.told.tolist() == [True, *(column < most for column in range(3))] * 6
    # What is not told stands where the last of its row that is does.
    last = sheet.token.reshape(6, 4)[:, most]
    assert (sheet.token.reshape(6, 4)[:, most:] == last[:, None]).all()
    assert float(found.entropy) > 0


def test_what_is_weighed_is_learnt(world: tuple[Catalog, Network, IntArray, IntArray]) -> None:
    """Rows' promise and titles' crowding count as they stood at each choice, and have a slope."""
    films, _, row_tokens, entity_tokens = world
    network = copy.deepcopy(world[1])
    chance = np.random.default_rng(2)
    content = chance.normal(size=(8, 3)).astype(np.float32)
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    own = chance.normal(size=8).astype(np.float32)
    with torch.no_grad():
        network.appeal.promise.copy_(torch.tensor([0.1, 0.0, -0.05, 0.02]))
        network.appeal.crowd.copy_(torch.tensor([-0.2, -0.1]))
    promise, crowd = (
        (GAIN * weight.detach()).numpy()
        for weight in (network.appeal.promise, network.appeal.crowd)
    )
    appeal = PageAppeal.of(own, promise, content, crowd)
    request = PageRequest("u", 1.7e9, entities_per_row=3)

    def start() -> PageGrammar:
        return PageGrammar.start(films, Rules.default(), Context("u"), request, Trends.none(films))

    sampler = PageSampler(network, row_tokens, entity_tokens, Shape(2, 2, 0.5))
    prompt = np.array([5, 9, 10], np.int32)
    page = sampler.pages([prompt], [start()], appeals=[appeal], seed=4, to_learn=True)[0]
    found = likelihood(
        network, Sheet.of([page], torch.device("cpu")), row_tokens, entity_tokens, 0.5
    )
    with torch.no_grad():
        output = network.output_table()
        tokens = torch.from_numpy(page.tokens).long()
        hidden = network.hidden(tokens, Packing.single(len(tokens)))
    grammar, by_hand = start(), []
    for choice in page.choices:
        items = row_tokens if choice.is_row else entity_tokens
        allowed = grammar.allowed_rows() if choice.is_row else grammar.allowed_entities()
        beside = np.zeros(len(items), np.float32)
        if choice.is_row:
            beside[allowed] = appeal.fresh().rows(grammar, allowed)
        else:
            beside = appeal.fresh().titles(grammar)
        scores = {
            i: float(hidden[choice.position] @ output[items[i]] + beside[i]) / 0.5
            for i in allowed.tolist()
        }
        for pick in choice.picks:
            by_hand.append(scores[pick] - np.log(sum(np.exp(each) for each in scores.values())))
            del scores[pick]
        if choice.is_row:
            grammar.open_row(choice.picks[0])
        else:
            grammar.extend(choice.picks)
    assert found.log_chances.tolist() == pytest.approx(by_hand, abs=1e-4)
    # Of one pick alone: the chances of all would add up to a constant's.
    slopes = torch.autograd.grad(
        found.log_chances[[0, -1]].sum(), [network.appeal.promise, network.appeal.crowd]
    )
    assert all(bool(slope.abs().sum() > 0) for slope in slopes)


def test_pages_come_as_often_as_their_probability_says(
    world: tuple[Catalog, Network, IntArray, IntArray],
) -> None:
    """The commonest pages of many samples: sampler and likelihood tell of one distribution."""
    count = 3000
    pages = sampled(world, count, 1, 2)
    counts = Counter(page.rows for page in pages)
    first = {page.rows: page for page in pages}
    chosen = [first[rows] for rows, _ in counts.most_common(8)]
    sheet = Sheet.of(chosen, torch.device("cpu"))
    _, network, row_tokens, entity_tokens = world
    with torch.no_grad():
        logs = likelihood(network, sheet, row_tokens, entity_tokens, TEMPERATURE).log_chances
    chances = torch.zeros(len(chosen)).index_add(0, sheet.page, logs).exp().numpy()
    for page, chance in zip(chosen, chances, strict=True):
        error = np.sqrt(chance * (1 - chance) / count)
        assert abs(counts[page.rows] / count - chance) < 4.5 * error


def test_picking_everything_that_is_allowed_is_no_obstacle() -> None:
    """The last pick of all is certain, and its gradient is finite."""
    logits = torch.tensor([[1.0, 2.0, 0.5, 9.0]], requires_grad=True)
    allowed = torch.tensor([[True, True, True, False]])
    picks, there = torch.tensor([[1, 0, 2, 0]]), torch.tensor([[True, True, True, False]])
    found = plackett_luce(logits, allowed, picks, there)
    assert found[0, 2].detach() == pytest.approx(0.0, abs=1e-6)
    assert found[0, 3].detach() == 0.0
    assert found[0, 0].detach() == pytest.approx(2 - np.log(np.exp(1) + np.exp(2) + np.exp(0.5)))
    (slope,) = torch.autograd.grad(found.sum(), logits)
    assert bool(torch.isfinite(slope).all())
    assert float(slope[0, 3]) == 0.0
