"""Many pages at once through the serving grammar: sampled, or greedy as served.

The decoder's structure is serving's (`model.decode`, METHOD "Hybrid row decoding"): a row's token,
its first entities one by one, then the last of them and the fill from one set of scores; of short
rows (`tokenizer.page`) the tail behind the last entity that is in the sequence. What may come is
`genpage.grammar.PageGrammar`'s to say, the object that serving asks, so that no page can break a
rule. With noise the fill is drawn without replacement (Plackett-Luce, by Gumbel top-k: Kool et al.
2019), so that a page has a probability and the policy that is trained is the one that serves.

Legend: B pages, R rows and E entities of the catalog, S choices of a page, N most picks of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from genpage.exploration import NO_EXPLORATION, Exploration
from genpage.grammar import DecodedRow, PageGrammar
from genpage.promise import PROMISES
from model.cached import CachedNetwork
from model.decode import best
from model.network import Network
from tokenizer.appeal import PageAppeal
from tokenizer.page import entities_before_fill

IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One set of scores and what was picked by it, in order.

    ``position`` is the token of the sequence (prompt and page) whose hidden state scored;
    ``allowed`` (R,) or (E,) is what could be picked, by catalog index, and ``added`` what was added
    to each logit; None where nothing was. Where the page is to be learnt from, ``added`` is without
    what the network weighs: ``features`` (R, P) or (E, F), what rows promise, how titles crowd.
    """

    position: int
    is_row: bool
    allowed: BoolArray
    picks: tuple[int, ...]
    added: FloatArray | None = None
    features: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SampledPage:
    """A finished page: the whole sequence, where its prompt ends, and every choice."""

    tokens: IntArray  # (T,)
    prompt: int
    choices: tuple[Choice, ...]
    rows: tuple[DecodedRow, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """How pages are decoded. ``temperature`` 0 is greedy; scores are divided by it.

    ``serialised`` is the checkpoint's. ``exploration`` draws a share of what is decided greedily,
    as serving does.
    """

    rows: int = 10
    autoregressive: int = 4
    temperature: float = 1.0
    serialised: int | None = None
    exploration: Exploration = NO_EXPLORATION

    @property
    def choices(self) -> int:
        """The sets of scores that a row's entities come from, at most."""
        return entities_before_fill(self.autoregressive, self.serialised) + 1


@dataclass(slots=True)
class _Live:
    """A page in the making."""

    grammar: PageGrammar
    tokens: list[int]
    prompt: int
    fed: int
    appeal: PageAppeal | None = None
    explored_by: int = 0  # the seed of what is drawn by exploration
    choices: list[Choice] = field(default_factory=list)
    alone: int = 0  # choices of the row that is open
    done: bool = False

    @property
    def pending(self) -> list[int]:
        """Tokens that the network has not seen."""
        return self.tokens[self.fed :]


class PageSampler:
    """Samples pages from one network over one catalog."""

    def __init__(
        self, network: Network, row_tokens: IntArray, entity_tokens: IntArray, shape: Shape
    ) -> None:
        """The token arrays are `Vocabulary.item_tokens` of the catalog."""
        self._network = network
        self._rows, self._entities = row_tokens, entity_tokens
        self._shape = shape

    @torch.inference_mode()
    def pages(
        self,
        prompts: Sequence[IntArray],
        grammars: Sequence[PageGrammar],
        *,
        appeals: Sequence[PageAppeal | None] | None = None,
        explored_by: Sequence[int] | None = None,
        seed: int = 0,
        to_learn: bool = False,
    ) -> list[SampledPage]:
        """Pages for these prompts; grammar ``i`` is mutated, and is of prompt ``i // group``.

        ``explored_by`` are the grammars' seeds of exploration (`genpage.exploration.seed_of`).
        ``appeals`` are the prompts', where the checkpoint learnt any; pages ``to_learn`` from hold
        what these are made of.
        There are ``group`` times as many grammars as prompts: a prompt's cache is computed once.
        """
        group, rest = divmod(len(grammars), len(prompts))
        if rest or not group:
            raise ValueError("as many grammars for every prompt. This is a bug.")
        generator = torch.Generator().manual_seed(seed)
        device = self._network.content.device
        tokens = torch.from_numpy(np.concatenate([self._rows, self._entities])).long().to(device)
        output = self._network.outputs.rows(tokens, self._network.content)  # (R + E, d)
        width = max(grammar.entities_per_row for grammar in grammars)
        longest = max(map(len, prompts)) + self._shape.rows * (width + 1) + width + 1
        cache = CachedNetwork(self._network, len(prompts), longest)
        hidden = cache.feed(prompts).repeat_interleave(group, dim=0)
        cache.repeat(group)
        lives = [
            _Live(
                grammar,
                prompts[i // group].tolist(),
                len(prompts[i // group]),
                0,
                _fresh(appeals[i // group]) if appeals else None,
                explored_by[i] if explored_by else seed + i,
            )
            for i, grammar in enumerate(grammars)
        ]
        for live in lives:
            live.fed = live.prompt
        for _ in range(self._shape.rows):
            if any(live.pending for live in lives):
                hidden = self._fed(cache, lives, hidden)
            added = self._promised(lives)  # (B, R)
            scores = self._scores(hidden, output[: len(self._rows)], added, generator)
            self._open_rows(lives, scores, added, to_learn=to_learn)
            for step in range(1, self._shape.choices + 1):
                if not any(live.alone >= step for live in lives):
                    break
                hidden = self._fed(cache, lives, hidden)
                added = self._appealing(lives, step)  # (B, E)
                scores = self._scores(hidden, output[len(self._rows) :], added, generator)
                self._add_entities(lives, scores, step, added, to_learn=to_learn)
            if all(live.done for live in lives):
                break
        return [
            SampledPage(
                np.array(live.tokens, np.int32), live.prompt, tuple(live.choices), live.grammar.rows
            )
            for live in lives
        ]

    def _fed(
        self, cache: CachedNetwork, lives: Sequence[_Live], before: torch.Tensor
    ) -> torch.Tensor:
        """Feed what is pending; a page that waits keeps its hidden state."""
        chunks = [[] if live.done else live.pending for live in lives]
        moved = torch.tensor([bool(chunk) for chunk in chunks], device=before.device)
        hidden = cache.feed(chunks)
        for live, chunk in zip(lives, chunks, strict=True):
            live.fed += len(chunk)
        return torch.where(moved[:, None], hidden, before)

    def _scores(
        self,
        hidden: torch.Tensor,
        output: torch.Tensor,
        added: FloatArray | None,  # (B, R or E)
        generator: torch.Generator,
    ) -> FloatArray:
        """Scores to be maximised: logits, or logits by temperature with Gumbel noise."""
        logits = hidden @ output.T  # (B, R or E)
        if added is not None:
            logits = logits + torch.from_numpy(added).to(logits.device)
        if self._shape.temperature == 0.0:
            return logits.float().cpu().numpy()
        uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64)
        # The clamp keeps both logarithms finite; it is met once in 10^9 draws.
        noise = -torch.log(-torch.log(uniform.clamp(1e-9, 1.0 - 1e-9)))
        noisy = logits.double().cpu() / self._shape.temperature + noise
        return noisy.numpy().astype(np.float32)

    def _appealing(self, lives: Sequence[_Live], step: int) -> FloatArray | None:
        """(B, E) what is added to the titles' logits at a row's ``step``-th choice."""
        if all(live.appeal is None for live in lives):
            return None
        nothing = np.zeros(len(self._entities), np.float32)
        return np.stack(
            [
                nothing
                if live.appeal is None or live.alone < step
                else live.appeal.titles(live.grammar)
                for live in lives
            ]
        )

    def _promised(self, lives: Sequence[_Live]) -> FloatArray | None:
        """(B, R) what is added to the logits of the rows that may open next."""
        if all(live.appeal is None for live in lives):
            return None
        promised = np.zeros((len(lives), len(self._rows)), np.float32)
        for line, live in zip(promised, lives, strict=True):
            if live.appeal is not None and not live.done:
                allowed = live.grammar.allowed_rows()
                line[allowed] = live.appeal.rows(live.grammar, allowed)
        return promised

    def _open_rows(
        self,
        lives: Sequence[_Live],
        scores: FloatArray,
        added: FloatArray | None,
        *,
        to_learn: bool,
    ) -> None:
        for index, live in enumerate(lives):
            live.alone = 0
            if live.done:
                continue
            allowed = live.grammar.allowed_rows()
            if not len(allowed):
                live.done = True
                continue
            row = self._picked(live, scores[index], allowed, 1)[0]
            choice = Choice(
                len(live.tokens) - 1,
                True,  # noqa: FBT003 - a field
                _mask(allowed, len(self._rows)),
                (row,),
                None if added is None else added[index],
            )
            if to_learn and live.appeal is not None:
                features = np.zeros((len(self._rows), PROMISES), np.float32)
                features[allowed] = live.appeal.promises.of(live.grammar, allowed)
                choice = replace(choice, added=None, features=features)
            live.choices.append(choice)
            live.grammar.open_row(row)
            live.tokens.append(int(self._rows[row]))
            live.alone = min(self._shape.choices, live.grammar.room)

    def _add_entities(
        self,
        lives: Sequence[_Live],
        scores: FloatArray,
        step: int,
        added: FloatArray | None,
        *,
        to_learn: bool,
    ) -> None:
        for index, live in enumerate(lives):
            if live.alone < step:
                continue
            grammar = live.grammar
            allowed = grammar.allowed_entities()
            count = 1 if step < live.alone else grammar.room
            picks = self._picked(live, scores[index], allowed, count)
            choice = Choice(
                len(live.tokens) - 1,
                False,  # noqa: FBT003 - a field
                _mask(allowed, len(self._entities)),
                tuple(picks),
                None if added is None else added[index],
            )
            if to_learn and live.appeal is not None and live.appeal.crowd is not None:
                features = live.appeal.crowd.features(grammar).T
                choice = replace(choice, added=live.appeal.entities, features=features)
            live.choices.append(choice)
            placed = step - 1
            told = None if (most := self._shape.serialised) is None else max(0, most - placed)
            grammar.extend(picks)
            live.tokens += [int(token) for token in self._entities[picks[:told]]]

    def _picked(self, live: _Live, scores: FloatArray, allowed: IntArray, count: int) -> list[int]:
        """``count`` of the allowed: the best, but for what is explored."""
        exploration = self._shape.exploration
        if exploration.share == 0.0 or self._shape.temperature > 0.0:
            return _top(scores, allowed, count)
        values = scores[allowed]
        leading = np.array(_top(values, np.arange(len(values), dtype=np.int32), count))
        # Drawn where serving draws the same choice.
        position = live.grammar.standing
        chosen = exploration.choose(values, leading, seed=live.explored_by, position=position)
        picked: list[int] = allowed[chosen.places].tolist()
        return picked


def _fresh(appeal: PageAppeal | None) -> PageAppeal | None:
    return None if appeal is None else appeal.fresh()


def _top(scores: FloatArray, allowed: IntArray, count: int) -> list[int]:
    """`best`, faster for one: of equals, the first is the lowest index."""
    if count == 1:
        return [int(allowed[scores[allowed].argmax()])]
    return best(scores, allowed, count)


def _mask(allowed: IntArray, size: int) -> BoolArray:
    mask = np.zeros(size, np.bool_)
    mask[allowed] = True
    return mask
