"""Drafting: which tokens a page will probably go on with, guessed from scores that are at hand.

After each pass the scores of the next places are known approximately: those of the place before
put the runner-up first once the winner is taken, and a rejected draft has left the scores of its
own places behind. The tokens so guessed travel in the next pass, which verifies them all
(`runtime.decoder`). Drafting goes on while the chance that a token saves a pass is worth what one
token more, and guessing it, cost (`runtime.pace`).

Speculative decoding after Leviathan et al., "Fast inference from transformers via speculative
decoding", ICML 2023, with the model's own scores in the place of a smaller model's.
"""

from dataclasses import dataclass

import numpy as np

from runtime.arrays import FloatArray, IntArray
from runtime.pace import Pace, Source
from runtime.writer import PageWriter, Place

_NOTHING: IntArray = np.array([], np.int32)
# Places whose scores are kept from rejected drafts, at most; the latest ones serve best.
_MOST_KEPT = 12


@dataclass(frozen=True, slots=True)
class Step:
    """One decision of a draft. ``end``: how many of the draft's tokens it and those before are."""

    place: Place
    source: Source
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """Tokens (n,) that were not decided yet, and the decisions that they stand for."""

    tokens: IntArray
    steps: tuple[Step, ...]


NO_DRAFT = Draft(_NOTHING, ())


class Drafter:
    """Drafts of one page; one owner, as the page.

    What it holds of a pass are single lines of its own, never a view of the scores of all places
    and pages of that pass, and none of places that the page has passed.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._kept: dict[Place, FloatArray] = {}
        # The latest scores that decided: a row's opening, and entities (of which catalog row).
        self._row_scores: FloatArray | None = None
        self._entity_scores: tuple[int, FloatArray] | None = None

    def seen(self, place: Place, scores: FloatArray) -> None:
        """A place was decided by these scores (R + E,), which stay valid until the next draft."""
        self._kept.pop(place, None)
        if place[1] == 0:
            self._row_scores = scores
        else:
            self._entity_scores = place[0], scores

    def keep(self, place: Place, scores: FloatArray) -> None:
        """A place got these scores behind a token that was rejected: the best draft of it.

        They stay valid until the next draft.
        """
        self._kept.pop(place, None)  # so that the latest stand last
        self._kept[place] = scores

    def draft(self, writer: PageWriter, room: int) -> Draft:
        """Guess on from where ``writer`` stands, at most ``room`` tokens."""
        began = self.pace.clock()
        self._own(writer)
        draft = self._guessed(writer, room)
        self.pace.drafted(len(draft.steps), self.pace.clock() - began)
        return draft

    def _own(self, writer: PageWriter) -> None:
        """Drop what the page has passed, and copy the lines that are left out of their passes."""
        ahead = [place for place in self._kept if not writer.passed(place)][-_MOST_KEPT:]
        self._kept = {place: _line(self._kept[place]) for place in ahead}
        if self._row_scores is not None:
            self._row_scores = _line(self._row_scores)
        if self._entity_scores is not None:
            row, scores = self._entity_scores
            self._entity_scores = row, _line(scores)

    def _guessed(self, writer: PageWriter, room: int) -> Draft:
        tokens: list[IntArray] = []
        steps: list[Step] = []
        count, chance = 0, 1.0
        ahead: PageWriter | None = None
        while True:
            at = ahead or writer
            if at.reason is not None:
                break
            place, takes = at.place, at.takes
            found = self._scores(place, takes)
            if found is None or count + takes > room:
                break
            source, scores = found
            chance *= self.pace.chance(source)
            if not self.pace.worth(chance, takes, count):
                break
            if ahead is None:
                ahead = writer.fork()
            guessed, _ = ahead.decide(scores)
            count += len(guessed)
            tokens.append(guessed)
            steps.append(Step(place, source, count))
        return Draft(np.concatenate(tokens), tuple(steps)) if steps else NO_DRAFT

    def _scores(self, place: Place, takes: int) -> tuple[Source, FloatArray] | None:
        kept = self._kept.get(place)
        if place[1] == 0:
            if kept is not None:
                return "row kept", kept
            return None if self._row_scores is None else ("row far", self._row_scores)
        if kept is None and self._entity_scores is None:
            return None
        if kept is not None:
            return ("fill" if takes > 1 else "entity kept"), kept
        assert self._entity_scores is not None
        row, scores = self._entity_scores
        if takes > 1:
            return "fill", scores
        return ("entity near" if row == place[0] else "entity far"), scores


def _line(scores: FloatArray) -> FloatArray:
    """A line (R + E,) that keeps no other alive."""
    return scores if scores.base is None else scores.copy()
