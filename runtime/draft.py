"""Drafting: which tokens a page will probably go on with.

The tokens so guessed (`runtime.guess`) travel in the next pass, which verifies them all
(`runtime.decoder`). Drafting goes on while the chance that a token saves a pass is worth what one
token more, and guessing it, cost (`runtime.pace`). The very next decision is guessed from the page
as it stands, which costs little; those behind it take a copy.

Speculative decoding after Leviathan et al., "Fast inference from transformers via speculative
decoding", ICML 2023, with the model's own scores, and the page before, in the place of a smaller
model's.
"""

from dataclasses import dataclass

import numpy as np

from runtime.arrays import IntArray
from runtime.chunk import LEAST_TOKENS
from runtime.foresight import Foresight
from runtime.foretold import Foretold
from runtime.guess import Guess, Guesses
from runtime.pace import Pace, Source
from runtime.progress import Place
from runtime.writer import PageWriter

_NOTHING: IntArray = np.array([], np.int32)


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

    def within(self, room: int) -> "Draft":
        """Those of its decisions, from the first on, that take at most so many tokens."""
        if len(self.tokens) <= room:
            return self
        steps = tuple(step for step in self.steps if step.end <= room)
        end = steps[-1].end if steps else 0
        return Draft(self.tokens[:end], steps) if end else NO_DRAFT


NO_DRAFT = Draft(_NOTHING, ())


@dataclass(frozen=True, slots=True, eq=False)
class _First:
    """The next decision, guessed as ``tokens`` (n,).

    ``chosen`` are their catalog indices (k,); None: a tail in no sequence, not looked at yet.
    """

    tokens: IntArray
    step: Step
    guess: Guess
    chosen: IntArray | None


class Drafter:
    """Drafts of one page; one owner, as the page. ``guesses`` are what they are made of.

    ``foresight`` is the model's draft head, where it has one.
    """

    def __init__(self, pace: Pace, foresight: Foresight | None = None) -> None:
        self.pace = pace
        self.guesses = Guesses(pace, Foretold(foresight))

    def draft(self, writer: PageWriter, room: int, pending: int = LEAST_TOKENS) -> Draft:
        """Guess on from where ``writer`` stands, at most ``room`` tokens, behind so many others."""
        self.guesses.own(writer)
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
        guess = self.guesses.next(writer)
        if guess is None or takes > room:
            return None
        source = guess.source
        if takes == 0:  # a tail in no sequence is nothing to guess, what comes behind it is
            return _First(_NOTHING, Step(place, source, 0), guess, None)
        # A pass of one token is run as one of two: the other may as well be a guess.
        more = takes - max(0, LEAST_TOKENS - pending)
        if not self.pace.worth_a_look(source, self.guesses.chance(source), more):
            return None
        writer.prepare()
        began = self.pace.clock()
        chosen = guess.choose(writer)
        tokens = writer.tokens_of(chosen)
        self.pace.looked(source, self.pace.clock() - began)
        return _First(tokens, Step(place, source, takes), guess, chosen)

    def _further(self, writer: PageWriter, first: "_First", room: int) -> Draft:
        """On behind the first guess, by a copy that takes it for decided."""
        tokens, steps = [first.tokens], [first.step]
        count = len(first.tokens)
        chance = self.guesses.chance(first.step.source) if count else 1.0
        # A copy costs more than a guess: is it worth it, as things stand?
        takes, source = self.guesses.behind(writer, first.step.place)
        next_one = chance * self.guesses.chance(source)
        if self.pace.worth(next_one, takes, 0):
            explored = not self.pace.worth(next_one, takes, 1)
            ahead = writer.fork()
            ahead.follow(first.guess.choose(ahead) if first.chosen is None else first.chosen)
            self.guesses.foretold.follow(first.tokens)
            while ahead.reason is None:
                place, takes = ahead.place, ahead.takes
                guess = self.guesses.next(ahead)
                if guess is None or count + takes > room:
                    break
                if takes:  # a tail in no sequence is neither right nor wrong
                    chance *= self.guesses.chance(guess.source)
                    if not explored and not self.pace.worth(chance, takes, count):
                        break
                    explored = False
                guessed = ahead.follow(guess.choose(ahead))
                count += len(guessed)
                tokens.append(guessed)
                steps.append(Step(place, guess.source, count))
                self.guesses.foretold.follow(guessed)
        return Draft(np.concatenate(tokens), tuple(steps)) if count else NO_DRAFT
