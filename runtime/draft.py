"""Drafting: which tokens a page will probably go on with, guessed from scores that are at hand.

After each pass the scores of the next places are known approximately: those of the place before
put the runner-up first once the winner is taken, and a rejected draft has left the scores of its
own places behind. The tokens so guessed travel in the next pass, which verifies them all
(`runtime.decoder`). Drafting goes on while the chance that a token saves a pass is worth what one
token more, and guessing it, cost (`runtime.pace`). The very next decision is guessed from the page
as it stands, which costs little; those behind it take a copy.

Speculative decoding after Leviathan et al., "Fast inference from transformers via speculative
decoding", ICML 2023, with the model's own scores in the place of a smaller model's.
"""

from dataclasses import dataclass

import numpy as np

from runtime.arrays import FloatArray, IntArray
from runtime.pace import Pace, Source
from runtime.writer import PageWriter, Place

_NOTHING: IntArray = np.array([], np.int32)
# A pass never has fewer (`runtime.trunk`).
LEAST_TOKENS = 2
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


@dataclass(frozen=True, slots=True, eq=False)
class _First:
    """The next decision, guessed as ``tokens`` (n,) by these ``scores`` (R + E,)."""

    tokens: IntArray
    step: Step
    scores: FloatArray


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

    def draft(self, writer: PageWriter, room: int, pending: int = LEAST_TOKENS) -> Draft:
        """Guess on from where ``writer`` stands, at most ``room`` tokens, behind so many others."""
        self._own(writer)
        first = self._at_once(writer, room, pending)
        if first is None:
            return NO_DRAFT
        began = self.pace.clock()
        draft = self._further(writer, first, room)
        if len(draft.steps) > 1:
            self.pace.drafted(len(draft.steps) - 1, self.pace.clock() - began)
        return draft

    def _at_once(self, writer: PageWriter, room: int, pending: int) -> "_First | None":
        """The next decision, which is guessed without a copy of the page."""
        place, takes = writer.place, writer.takes
        found = self._scores(place, takes)
        if found is None or takes > room:
            return None
        source, scores = found
        # A pass of one token is run as one of two: the other may as well be a guess.
        more = takes - max(0, LEAST_TOKENS - pending)
        if not self.pace.worth_a_look(source, more):
            return None
        writer.prepare()
        began = self.pace.clock()
        guessed = writer.guess(scores)
        self.pace.looked(source, self.pace.clock() - began)
        return _First(guessed, Step(place, source, takes), scores)

    def _own(self, writer: PageWriter) -> None:
        """Drop what the page has passed, and copy the lines that are left out of their passes."""
        ahead = [place for place in self._kept if not writer.passed(place)][-_MOST_KEPT:]
        self._kept = {place: _line(self._kept[place]) for place in ahead}
        if self._row_scores is not None:
            self._row_scores = _line(self._row_scores)
        if self._entity_scores is not None:
            row, scores = self._entity_scores
            self._entity_scores = row, _line(scores)

    def _further(self, writer: PageWriter, first: "_First", room: int) -> Draft:
        """On behind the first guess, by a copy that takes it for decided."""
        tokens, steps = [first.tokens], [first.step]
        count, chance = len(first.tokens), self.pace.chance(first.step.source)
        # A copy costs more than a guess: is it worth it, as things stand?
        takes, source = self._behind(writer, first.step)
        next_one = chance * self.pace.chance(source)
        if self.pace.worth(next_one, takes, 0):
            explored = not self.pace.worth(next_one, takes, 1)
            ahead = writer.fork()
            ahead.decide(first.scores)
            while ahead.reason is None:
                place, takes = ahead.place, ahead.takes
                found = self._scores(place, takes)
                if found is None or count + takes > room:
                    break
                source, scores = found
                chance *= self.pace.chance(source)
                if not explored and not self.pace.worth(chance, takes, count):
                    break
                guessed, _ = ahead.decide(scores)
                explored = False
                count += len(guessed)
                tokens.append(guessed)
                steps.append(Step(place, source, count))
        return Draft(np.concatenate(tokens), tuple(steps))

    def _behind(self, writer: PageWriter, first: Step) -> tuple[int, Source]:
        """What the decision behind the first would take, and where its scores would be from."""
        takes = writer.takes_behind
        if takes == 0:
            return 1, "row kept" if self._kept else "row far"
        if takes > 1:
            return takes, "fill"
        if self._kept:
            return 1, "entity kept"
        return 1, "entity near" if first.place[1] else "entity far"

    def _scores(self, place: Place, takes: int) -> tuple[Source, FloatArray] | None:
        kept = self._kept.get(place)
        if place[1] == 0:
            if kept is not None:
                return "row kept", kept
            return None if self._row_scores is None else ("row far", self._row_scores)
        if kept is not None:
            return ("fill" if takes > 1 else "entity kept"), kept
        if self._entity_scores is None:
            return None
        row, scores = self._entity_scores
        if takes > 1:
            return "fill", scores
        return ("entity near" if row == place[0] else "entity far"), scores


def _line(scores: FloatArray) -> FloatArray:
    """A line (R + E,) that keeps no other alive."""
    return scores if scores.base is None else scores.copy()
