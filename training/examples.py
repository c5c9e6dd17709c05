"""One impressed page as one training sequence: prompt, page tokens, and what to predict where.

::

    <profile> .. <history> e a t d  e a t d .. <request> .. <next> <page> ROW E E E ROW E E E
                                 |        |                  |      |     |   | | |
    predicts:                next title  next title     next title ROW    E   E E ROW

Of short rows (`tokenizer.page`, here of 2) only the first entities are in the sequence. The titles
of the tail are all predicted where the last of those stands, and so is the next row::

    .. <page> ROW E E ROW E E
          |    |  | |  |  | |
         ROW   E  E E  E  E E
                    E       E
                    ROW

A page is sometimes split as pagination splits it: some rows, ``<acted>`` with what the member did
on them, ``<page>``, the further rows.

The context is what was known strictly before the page. Targets of the auxiliary next-title loss
are the titles of the member's next events: after each event of the history, and at ``<next>``
(which stands for "whatever comes after this moment"). A title that the member had nothing of
before counts fully, a repetition little: to copy is easy, and next-item evaluation asks for new
ones.

Shape legend: T tokens, K targets.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.context import HISTORY_LIMIT
from genpage.event import ACTIONS
from genpage.promise import DEPTHS
from tokenizer.past import Past
from tokenizer.prompt import ACTION_TOKENS, Prompt, PromptEncoder
from tokenizer.signals import places_of
from tokenizer.signs import EVERY, Moment, Signs, Titles, heard
from tokenizer.symbols import ITEM_START
from tokenizer.vocabulary import IntArray
from tokenizer.window import TOKENS_AN_EVENT
from training.pages import Pages
from training.timeline import Timeline

REPEATED = 0.2
# How many of a row's titles are looked at for what it promises.
SHOWN = DEPTHS[-1]
SPLIT_SHARE = 0.15

Weights = NDArray[np.float32]
Marks = NDArray[np.bool_]
# An action's token -> its place in `ACTIONS`.
_ACTIONS = np.zeros(max(ACTION_TOKENS.values()) + 1, np.int64)
_ACTIONS[[ACTION_TOKENS[action] for action in ACTIONS]] = np.arange(len(ACTIONS))


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """After token ``positions[k]`` comes ``tokens[k]``, with a weight in the loss.

    ``rows`` are the tokens of the rows that are open there, 0 where none is. ``on_page``: they
    stand on one page in this order, and none may come twice; ``columns`` are their places in their
    rows, from 0. ``told``: the target is itself in the sequence, right behind its position.
    """

    positions: IntArray  # (K,)
    tokens: IntArray  # (K,)
    weights: Weights  # (K,)
    rows: IntArray  # (K,)
    columns: IntArray  # (K,)
    told: Marks  # (K,)
    on_page: bool


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A sequence with the targets of each loss; ``at`` is the page's time (Unix seconds).

    ``shown`` are the tokens of the first titles of each row that is a target, 0 where it has none.
    ``signs`` are those of the page's moment, where titles have an appeal.
    """

    tokens: IntArray  # (T,)
    at: float
    rows: Targets  # the page's rows
    entities: Targets  # the page's entities
    titles: Targets  # the titles of next events
    shown: IntArray  # (rows, SHOWN)
    signs: Signs | None = None


class ExampleBuilder:
    """Builds the examples of pages. Events from ``until`` on (Unix seconds) are in none."""

    def __init__(
        self,
        timeline: Timeline,
        pages: Pages,
        encoder: PromptEncoder,
        *,
        until: float,
        titles: Titles | None = None,
    ) -> None:
        """Without the catalog's ``titles`` examples have no signs."""
        self._timeline = timeline
        self._pages = pages
        self._encoder = encoder
        self._until = until
        self._catalog_titles = titles
        _, entities = timeline.vocabulary.item_tokens(timeline.catalog)
        self._places = places_of(entities, timeline.vocabulary.size)

    def __len__(self) -> int:
        return len(self._pages)

    def member(self, page: int) -> str:
        """Whose page ``page`` is."""
        return self._pages.user_ids[page]

    def build(
        self, page: int, chance: np.random.Generator, *, split: float = SPLIT_SHARE
    ) -> Example:
        """The example of page ``page``; split for pagination with probability ``split``."""
        pages, histories = self._pages, self._timeline.histories
        at, user_id = float(pages.ts[page]), pages.user_ids[page]
        member = histories.member(user_id)
        events = slice(0, 0) if member is None else histories.events_of(member)
        cut = int(np.searchsorted(histories.ts[events], at, side="left"))
        prompt = histories.prompt(
            self._encoder,
            member,
            cut,
            at=at,
            device=pages.devices[page],
            profile=self._timeline.profiles.get(user_id),
            injection=self._timeline.injection(at),
        )
        shown = pages.tokens_of(page)
        tokens, weights, is_row = pages.tokens[shown], pages.weights[shown], pages.is_row[shown]
        opens = np.flatnonzero(is_row)
        open_row = np.cumsum(is_row) - 1  # which row each token is of
        number = np.arange(len(tokens))
        columns = (number - opens[open_row] - 1).astype(np.int32)
        most = self._encoder.serialised
        told = np.ones_like(is_row) if most is None else columns < most
        # Where in the sequence each stands; of a tail, the last title before it.
        places = (len(prompt.tokens) + np.cumsum(told) - 1).astype(np.int32)
        parts = [prompt.tokens, tokens[told]]
        if len(opens) > 1 and chance.random() < split:
            row = int(chance.integers(1, len(opens)))
            acted = self._acted(pages.page_ids[page], row)
            later = number >= opens[row]
            parts = [prompt.tokens, tokens[told & ~later], acted, tokens[told & later]]
            places[later] += len(acted)
        before = places - told
        open_rows = tokens[opens][open_row]
        known = tokens >= ITEM_START
        rows, entities = is_row & known, ~is_row & known
        none = np.zeros(int(rows.sum()), np.int32)
        return Example(
            tokens=np.concatenate(parts),
            at=at,
            rows=Targets(
                before[rows], tokens[rows], weights[rows], none, none, told[rows], on_page=True
            ),
            entities=Targets(
                before[entities],
                tokens[entities],
                weights[entities],
                open_rows[entities],
                columns[entities],
                told[entities],
                on_page=True,
            ),
            titles=self._titles(prompt, events, cut),
            shown=_shown(tokens, opens)[known[opens]],
            signs=self.signs(page),
        )

    def signs(self, page: int, among: NDArray[np.int64] | slice = EVERY) -> Signs | None:
        """What the moment of a page says of the catalog's titles, or of those ``among`` them."""
        if self._catalog_titles is None:
            return None
        histories, at = self._timeline.histories, float(self._pages.ts[page])
        member = histories.member(self._pages.user_ids[page])
        events = slice(0, 0) if member is None else histories.events_of(member)
        cut = events.start + int(np.searchsorted(histories.ts[events], at, side="left"))
        before = slice(max(events.start, cut - HISTORY_LIMIT), cut)
        entity = self._places[histories.entity[before]]
        there = entity >= 0
        past = Past(
            entity[there].astype(np.int64),
            _ACTIONS[histories.action[before][there]],
            histories.ts[before][there],
            histories.seconds[before][there],
        )
        profile = self._timeline.profiles.get(self._pages.user_ids[page])
        moment = Moment(at, self._pages.devices[page], profile, self._timeline.paces(at))
        return Signs.of(self._catalog_titles, *heard(past, moment, self._encoder.sources), among)

    def _acted(self, page_id: str, rows: int) -> IntArray:
        """``<acted>``, the events on the first ``rows`` rows of a page, ``<page>``."""
        events = self._timeline.on_page(page_id)
        known = (e for e in events if e.ts < self._until)
        above = [e for e in known if e.row_pos is not None and e.row_pos < rows]
        return self._encoder.continuation((), above)

    def _titles(self, prompt: Prompt, events: slice, cut: int) -> Targets:
        histories = self._timeline.histories
        start = self._encoder.window.start(cut)
        # Event k of the window ends at this token, and the event after it is to be predicted. The
        # newest ones are not there where the model reads no in-session actions.
        told = len(prompt.inside("history")) // TOKENS_AN_EVENT
        ends = prompt.segment("history").start + TOKENS_AN_EVENT * np.arange(1, told + 1)
        positions = np.append(ends, prompt.next_position)
        following = events.start + np.append(np.arange(start + 1, start + told + 1), cut)
        there = following < events.stop
        positions, following = positions[there], following[there]
        tokens = histories.entity[following]
        kept = (tokens >= ITEM_START) & (histories.ts[following] < self._until)
        weights = np.where(self._timeline.first_time[following], 1.0, REPEATED)
        none = np.zeros(int(kept.sum()), np.int32)
        return Targets(
            positions[kept].astype(np.int32),
            tokens[kept],
            weights[kept].astype(np.float32),
            none,
            none,
            none.astype(np.bool_),
            on_page=False,
        )


def _shown(tokens: IntArray, opens: NDArray[np.intp]) -> IntArray:
    """(rows, SHOWN) the titles behind each row's token (``opens``), 0 where there is none."""
    shown = np.zeros((len(opens), SHOWN), np.int32)
    ends = np.append(opens[1:], len(tokens))
    for line, start, end in zip(shown, opens.tolist(), ends.tolist(), strict=True):
        titles = tokens[start + 1 : min(end, start + 1 + SHOWN)]
        line[: len(titles)] = titles
    return shown
