"""What a page's next decision may be guessed by: scores at hand, a draft head, the page before.

The scores of the place before put the runner-up first once the winner is taken; a rejected draft
has left the scores of its own places behind; a draft head, where the bundle has one, foretells
what comes next (`runtime.foretold`); and the member's page before this one, where it is known, has
whole rows (`runtime.recall`). Where there are several guesses, the likeliest one is taken.
"""

from dataclasses import dataclass
from typing import Final

from runtime.arrays import FloatArray, IntArray
from runtime.foretold import Foretold
from runtime.pace import MOST_KEPT, Pace, Source
from runtime.progress import Place
from runtime.recall import Recall
from runtime.writer import PageWriter

# How many of a page's own drafts weigh as much as what those of all pages came to: pages differ in
# how much they resemble the one before.
_TRUST: Final = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class ByScores:
    """A decision guessed by the scores (R + E,) of another place, or behind a rejected token."""

    source: Source
    scores: FloatArray

    def choose(self, writer: PageWriter) -> IntArray:
        """What the next decision would be: catalog indices (k,)."""
        return writer.guess(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class ByPage:
    """A decision guessed as the page before has it: catalog indices (k,)."""

    source: Source
    chosen: IntArray

    def choose(self, _: PageWriter) -> IntArray:
        """What the next decision would be: catalog indices (k,)."""
        return self.chosen


@dataclass(frozen=True, slots=True, eq=False)
class ByHead:
    """A decision guessed by what a draft head foretells as it stands.

    By scores (R + E,) of another place it is told which titles are worth its while.
    """

    source: Source
    foretold: Foretold
    scores: FloatArray

    def choose(self, writer: PageWriter) -> IntArray:
        """What the next decision would be: catalog indices (k,)."""
        return writer.guess(self.scores, self.foretold)


Guess = ByScores | ByPage | ByHead


class Guesses:
    """Those of one page; one owner, as the page.

    What it holds of a pass are single lines of its own, never a view of the scores of all places
    and pages of that pass, and none of places that the page has passed. ``recall`` is the member's
    page before this one, where it is known, ``foretold`` what a draft head says.
    """

    recall: Recall | None = None

    def __init__(self, pace: Pace, foretold: Foretold) -> None:
        self._pace = pace
        self.foretold = foretold
        self._kept: dict[Place, FloatArray] = {}
        # The latest scores that decided: a row's opening, and entities (of which catalog row).
        self._row_scores: FloatArray | None = None
        self._entity_scores: tuple[int, FloatArray] | None = None
        # This page's own: hits and tries.
        self._tried: dict[Source, tuple[int, int]] = {}

    def seen(self, place: Place, scores: FloatArray) -> None:
        """A place was decided by these scores (R + E,), which stay valid until the next draft."""
        self._kept.pop(place, None)
        if place[1] == 0:
            self._row_scores = scores
        else:
            self._entity_scores = place[0], scores

    def keep(self, place: Place, scores: FloatArray) -> None:
        """A place got these scores behind a token that was rejected: the best guess of it.

        They stay valid until the next draft.
        """
        self._kept.pop(place, None)  # so that the latest stand last
        self._kept[place] = scores

    def own(self, writer: PageWriter) -> None:
        """Drop what the page has passed, and copy the lines that are left out of their passes."""
        ahead = [place for place in self._kept if not writer.passed(place)][-MOST_KEPT:]
        self._kept = {place: _line(self._kept[place]) for place in ahead}
        if self._row_scores is not None:
            self._row_scores = _line(self._row_scores)
        if self._entity_scores is not None:
            row, scores = self._entity_scores
            self._entity_scores = row, _line(scores)

    def tried(self, source: Source, *, hit: bool) -> None:
        """A guess was verified."""
        self._pace.tried(source, hit=hit)
        hits, tries = self._tried.get(source, (0, 0))
        self._tried[source] = hits + hit, tries + 1

    def chance(self, source: Source) -> float:
        """How often such guesses are right: those of all pages, and more and more this one's."""
        hits, tries = self._tried.get(source, (0, 0))
        return (self._pace.chance(source) * _TRUST + hits) / (_TRUST + tries)

    def next(self, writer: PageWriter) -> Guess | None:
        """What the next decision is guessed by; None: nothing is at hand."""
        likeliest: Guess | None = None
        for guess in (
            self._scored(writer.place, writer.takes),
            self.recalled(writer),
            self._by_head(writer.place, writer.takes),
        ):
            if guess is None:
                continue
            if likeliest is None or self.chance(guess.source) > self.chance(likeliest.source):
                likeliest = guess
        return likeliest

    def recalled(self, writer: PageWriter) -> ByPage | None:
        """What the page before has for the next decision."""
        chosen = None if self.recall is None else writer.recalled(self.recall)
        if chosen is None:
            return None
        if writer.place[1] == 0:
            return ByPage("row before", chosen)
        return ByPage("fill before" if writer.fills else "entity before", chosen)

    def behind(self, writer: PageWriter, place: Place) -> tuple[int, Source]:
        """What the decision behind the next one, at ``place``, takes, and what it is guessed by."""
        takes = writer.takes_behind
        scored: Source
        before: Source
        ahead: Source
        if takes == 0:
            scored = "row kept" if self._kept else "row far"
            before, ahead = "row before", "row foretold"
        elif takes > 1:
            scored, before, ahead = "fill", "fill before", "fill foretold"
        else:
            near: Source = "entity near" if place[1] else "entity far"
            scored = "entity kept" if self._kept else near
            before, ahead = "entity before", "entity foretold"
        at_hand = [scored]
        if self.recall is not None:
            at_hand.append(before)
        if self.foretold.known:
            at_hand.append(ahead)
        return max(1, takes), max(at_hand, key=self.chance)

    def _by_head(self, place: Place, takes: int) -> ByHead | None:
        rough = self._kept.get(place)
        if rough is None:
            rough = self._row_scores if self._entity_scores is None else self._entity_scores[1]
        if not self.foretold.known or rough is None:
            return None
        if place[1] == 0:
            return ByHead("row foretold", self.foretold, rough)
        source: Source = "fill foretold" if takes > 1 else "entity foretold"
        return ByHead(source, self.foretold, rough)

    def _scored(self, place: Place, takes: int) -> ByScores | None:
        kept = self._kept.get(place)
        if place[1] == 0:
            if kept is not None:
                return ByScores("row kept", kept)
            return None if self._row_scores is None else ByScores("row far", self._row_scores)
        if kept is not None:
            return ByScores("fill" if takes > 1 else "entity kept", kept)
        if self._entity_scores is None:
            return None
        row, scores = self._entity_scores
        if takes > 1:
            return ByScores("fill", scores)
        return ByScores("entity near" if row == place[0] else "entity far", scores)


def _line(scores: FloatArray) -> FloatArray:
    """A line (R + E,) that keeps no other alive."""
    return scores if scores.base is None else scores.copy()
