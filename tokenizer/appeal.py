"""What the moment adds to a page's scores: each title's appeal, and what rows promise by it.

``score = logit + appeal``, for every choice of the page. A title's appeal is told from what this
member did with it, from counts and content (`tokenizer.signs`), by a small network that is trained
with the sequence model (`model.appeal` is the same in PyTorch). It is computed once a page, outside
the decoding. A row's is a weighted sum of what it promises as the page goes on
(`genpage.promise`); a title's changes with those like it that stand above (`tokenizer.crowd`).

Shape legend: E entities by catalog index, S signs, H hidden units, W wishes, C content dimensions,
K affinity dimensions, V tokens, P promises, F crowds, k rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.errors import BundleError
from genpage.grammar import PageGrammar
from genpage.promise import PROMISES, Promises
from genpage.request import PageRequest
from genpage.sources import EVERYTHING, Sources
from genpage.trends import Trends
from tokenizer.content import ContentEncoder
from tokenizer.crowd import CROWDS, Crowd, crowding
from tokenizer.past import Past
from tokenizer.shortlist import Shortlist
from tokenizer.signs import ASKED, SIGNS, WISHES, Moment, Signs, Titles, heard, watched

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
HIDDEN: Final = 32
AFFINITY: Final = 32
# Weights are learnt at this scale: what is added to logits moves further than the logits' own do.
GAIN: Final = 10.0
_UNCROWDED: Final = np.zeros(CROWDS, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PageAppeal:
    """Of one page: what is added to its scores. ``titles``, ``rows`` remember; one decoder's.

    Without the titles' ``content`` (E, C), `grained`, it does not matter what one stands behind.
    """

    entities: FloatArray  # (E,)
    promise_weights: FloatArray  # (P,)
    promises: Promises
    content: FloatArray | None
    crowd_weights: FloatArray  # (F,)
    crowd: Crowd | None
    # None where crowding does nothing, and where it may add.
    shortlist: Shortlist | None

    @classmethod
    def of(
        cls,
        entities: FloatArray,
        promise_weights: FloatArray,
        content: FloatArray | None = None,
        crowd_weights: FloatArray = _UNCROWDED,
    ) -> "PageAppeal":
        """For one decoder."""
        crowd, shortlist = None, None
        if content is not None:
            crowd = Crowd(content, crowd_weights)
            if crowd_weights.any() and (crowd_weights <= 0.0).all():
                shortlist = Shortlist(entities, content, crowd_weights)
        promises = Promises(entities)
        return cls(entities, promise_weights, promises, content, crowd_weights, crowd, shortlist)

    def fresh(self) -> "PageAppeal":
        """The same for another page of the request: nothing remembered."""
        return PageAppeal.of(self.entities, self.promise_weights, self.content, self.crowd_weights)

    def fork(self) -> "PageAppeal":
        """A copy for a copy of the grammar: each goes on without the other's noticing."""
        crowd = None if self.crowd is None else self.crowd.fork()
        shortlist = None if self.shortlist is None else self.shortlist.fork()
        return replace(self, promises=self.promises.fork(), crowd=crowd, shortlist=shortlist)

    def titles(self, grammar: PageGrammar) -> FloatArray:
        """(E,) what is added to the scores of titles that may come next."""
        if self.crowd is None or not self.crowd_weights.any():
            return self.entities
        return self.entities + self.crowd.added(grammar)

    def added(self, grammar: PageGrammar, allowed: IntArray) -> FloatArray:
        """(k,) the same of the titles (k,) that the open row may take next."""
        own: FloatArray = self.entities[allowed]
        if self.crowd is None or not self.crowd_weights.any():
            return own
        return own + self.crowd.added_to(grammar, allowed)

    def best(
        self, grammar: PageGrammar, scores: FloatArray, count: int
    ) -> tuple[IntArray, FloatArray]:
        """Sorted titles (m,), and what each is worth (m,), among which the best ``count`` are.

        ``scores`` (E,) are the model's. Of those titles that may come next, but not all of them.
        """
        if self.shortlist is not None:
            found = self.shortlist.best(grammar, scores, count)
            if found is not None:
                return found
        allowed = grammar.allowed_entities()
        return allowed, scores[allowed] + self.titles(grammar)[allowed]

    def of_rows(self, rows: Sequence[Sequence[int]]) -> FloatArray:
        """(n,) what is added to each title of a page's rows, as it stands there."""
        shown = np.array([entity for row in rows for entity in row], np.int64)
        found = self.entities[shown]
        if self.content is None or not len(shown):
            return found
        column = np.concatenate([np.arange(len(row)) for row in rows])
        return found + crowding(self.content[shown], column) @ self.crowd_weights

    def rows(self, grammar: PageGrammar, rows: IntArray) -> FloatArray:
        """(k,) what is added to the scores of rows (k,) that may open next."""
        promised = self.promises.of(grammar, rows)  # (k, P)
        # One after another, whatever rows there are.
        added: FloatArray = np.add.reduce(self.promise_weights[:, None] * promised.T, axis=0)
        return added


@dataclass(frozen=True, slots=True, eq=False)
class AppealWeights:
    """What was learnt (`model.appeal`)."""

    inner: FloatArray  # (S, H)
    asked: FloatArray  # (ASKED, H)
    bias: FloatArray  # (H,)
    outer: FloatArray  # (H,)
    plain: FloatArray  # (S,)
    wish: FloatArray  # (W, C, K)
    title: FloatArray  # (C, K)
    quality: FloatArray  # (V,) of titles by themselves
    promise: FloatArray  # (P,)
    crowd: FloatArray  # (F,)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """As arrays, for `from_arrays`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], *, content_dim: int, tokens: int
    ) -> "AppealWeights":
        """Of `to_arrays`; `BundleError` where a shape is not this model's."""
        for name, shape in shapes(content_dim, tokens).items():
            held = arrays.get(name)
            if held is None or held.dtype != np.float32 or held.shape != shape:
                raise BundleError(
                    f"appeal.{name} is not float32 {shape}; another version of GenPage may have "
                    "written the bundle: export the checkpoint again."
                )
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def shapes(content_dim: int, tokens: int) -> dict[str, tuple[int, ...]]:
    """The shape of each weight, for a vocabulary of so many tokens."""
    return {
        "inner": (SIGNS, HIDDEN),
        "asked": (ASKED, HIDDEN),
        "bias": (HIDDEN,),
        "outer": (HIDDEN,),
        "plain": (SIGNS,),
        "wish": (WISHES, content_dim, AFFINITY),
        "title": (content_dim, AFFINITY),
        "quality": (tokens,),
        "promise": (PROMISES,),
        "crowd": (CROWDS,),
    }


def appeal_parameters(content_dim: int, tokens: int) -> int:
    """How many numbers they are."""
    return sum(math.prod(shape) for shape in shapes(content_dim, tokens).values())


class _Watched:
    """What `watched` makes of the latest counts: all pages until the next event share them."""

    def __init__(self) -> None:
        self._held: tuple[FloatArray, FloatArray] | None = None

    def of(self, paces: FloatArray) -> FloatArray:
        held = self._held
        if held is None or held[0] is not paces:
            held = self._held = paces, watched(paces)
        return held[1]


@dataclass(frozen=True, slots=True, eq=False)
class Appeal:
    """The weights over one catalog snapshot."""

    weights: AppealWeights
    catalog: Catalog
    titles: Titles
    tokens: IntArray  # (E,)
    affinity: FloatArray  # (E, K)
    quality: FloatArray  # (E,)
    sources: Sources
    _watched: _Watched = field(default_factory=_Watched)

    @classmethod
    def over(
        cls,
        weights: AppealWeights,
        catalog: Catalog,
        encoder: ContentEncoder,
        tokens: IntArray,
        sources: Sources = EVERYTHING,
    ) -> "Appeal":
        """``tokens`` (E,) are the titles', in catalog order; some may be newer than the weights."""
        titles = Titles.of(catalog, encoder)
        return cls(
            weights,
            catalog,
            titles,
            tokens,
            titles.content @ weights.title,
            _quality(weights, tokens),
            sources,
        )

    def wearing(self, weights: AppealWeights) -> "Appeal":
        """Of a network that has learnt on."""
        return replace(
            self,
            weights=weights,
            affinity=self.titles.content @ weights.title,
            quality=_quality(weights, self.tokens),
        )

    def page(self, context: Context, request: PageRequest, trends: Trends) -> PageAppeal:
        """For the request of a member; what is later than its clock is not looked at."""
        signs = self.signs(context, request, trends)
        gain, weights = np.float32(GAIN), self.weights
        return PageAppeal.of(
            self.entities(signs),
            gain * weights.promise,
            self.titles.content,
            gain * weights.crowd,
        )

    def signs(self, context: Context, request: PageRequest, trends: Trends) -> Signs:
        """What a page's titles are judged by."""
        past = Past.of(self.catalog, context.before(request.at))
        told = None if trends.paces is None else self._watched.of(trends.paces)
        moment = Moment(request.at, request.device, context.profile, trends.paces, told)
        return Signs.of(self.titles, *heard(past, moment, self.sources))

    def entities(self, signs: Signs) -> FloatArray:
        """(E,) each title's appeal."""
        weights = self.weights
        inner = weights.inner.T @ signs.titles  # (H, E)
        inner += (signs.asked @ weights.asked + weights.bias)[:, None]
        np.maximum(inner, 0.0, out=inner)
        wish = np.einsum("wc,wck->k", signs.wishes, weights.wish)  # (K,)
        added = weights.outer @ inner + weights.plain @ signs.titles + self.affinity @ wish
        return np.asarray(np.float32(GAIN) * added + self.quality, np.float32)


def _quality(weights: AppealWeights, tokens: IntArray) -> FloatArray:
    """(E,) nothing is known of titles that are newer than the weights."""
    quality, known = np.zeros(len(tokens), np.float32), tokens < len(weights.quality)
    quality[known] = np.float32(GAIN) * weights.quality[tokens[known]]
    return quality
