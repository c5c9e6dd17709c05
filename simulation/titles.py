"""Composing titles, synopses and casts: readable, distinct, and telling of what a title is like."""

from dataclasses import dataclass

import numpy as np

from genpage.entity import EntityKind
from simulation.motifs import Motif
from simulation.words import ADJECTIVES, FAMILY_NAMES, GIVEN_NAMES, LANGUAGES, THEMES, TONES

_PATTERNS: dict[EntityKind, tuple[str, ...]] = {
    "film": (
        "The {adjective} {noun}",
        "{adjective} {noun}",
        "The {noun} of {place}",
        "{noun} in {place}",
        "The Last {noun}",
        "{noun} and {other}",
        "One {noun} for {place}",
        "The {noun} That Stayed",
        "Goodbye, {adjective} {noun}",
        "{place}, by {noun}",
    ),
    "show": (
        "{place} {noun}",
        "The {noun} Years",
        "Tales of the {adjective} {noun}",
        "{noun} & {other}",
        "The {place} {noun} Club",
        "{adjective} {noun} Stories",
        "Back to {place}",
        "{noun}: {place}",
        "The {noun} House",
        "Everyone Loves the {noun}",
    ),
    "game": (
        "{noun} Quest: {place}",
        "{adjective} {noun} Rush",
        "{noun} Builder",
        "Legends of the {noun}",
        "{noun} Puzzle Party",
        "{place} Racers: {noun}",
        "Escape from the {noun}",
    ),
    "live": (
        "Live from {place}: {noun}",
        "{place} {noun} Festival",
        "{noun} Night, Live",
        "The {place} {noun} Final",
        "{adjective} {noun} Marathon",
    ),
}
_CHANNELS = ("{place} {noun} Channel", "{noun} Around the Clock", "{adjective} {noun} Radio")
_FORMS: dict[EntityKind, str] = {
    "film": "film",
    "show": "series",
    "game": "game",
    "live": "live event",
}
_MOST_ATTEMPTS = 200


@dataclass(frozen=True, slots=True)
class Strand:
    """A motif in a place, with its hero and its ensemble: what near-duplicates have in common."""

    motif: Motif
    place: str
    hero: str
    language: str
    ensemble: tuple[str, ...]


class Composer:
    """Composes distinct titles; mutated by each, as it remembers what is taken."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._taken: set[str] = set()

    def strand(self, motif: Motif, place: str) -> Strand:
        """A strand of its own hero, first language and ensemble."""
        language = LANGUAGES[
            int(
                self._random.choice(
                    len(LANGUAGES), p=[0.4, 0.14, 0.1, 0.08, 0.08, 0.08, 0.07, 0.05]
                )
            )
        ]
        ensemble = tuple(self.person(language) for _ in range(7))
        return Strand(motif, place, self._pick(motif.heroes), language, ensemble)

    def person(self, language: str) -> str:
        """A made-up name that could be from where the language is spoken."""
        given = self._pick(GIVEN_NAMES[language])
        return f"{given} {self._pick(FAMILY_NAMES[language])}"

    def title(self, strand: Strand, kind: EntityKind, *, channel: bool = False) -> str:
        """A title that no other entity has."""
        patterns = _CHANNELS if channel else _PATTERNS[kind]
        for attempt in range(_MOST_ATTEMPTS):
            noun, other = (str(n) for n in self._random.permutation(strand.motif.nouns)[:2])
            text = self._pick(patterns).format(
                noun=noun, other=other, place=strand.place, adjective=self._pick(ADJECTIVES)
            )
            text = text.replace("The The ", "The ")
            if attempt >= _MOST_ATTEMPTS // 2:
                text = f"{text} {_ROMAN[attempt % len(_ROMAN)]}"
            if text not in self._taken:
                self._taken.add(text)
                return text
        number = len(self._taken)
        self._taken.add(f"{strand.place} {number}")
        return f"{strand.place} {number}"

    def synopsis(self, strand: Strand, kind: EntityKind, maturity: int) -> str:
        """Two sentences: what happens where, and what it is like."""
        tone = self._pick(TONES[max(age for age in TONES if age <= maturity)])
        first, second = (str(theme) for theme in self._random.permutation(THEMES)[:2])
        genre = strand.motif.genres[0].lower()
        deed = self._pick(strand.motif.deeds)
        article = "An" if tone[0] in "aeiou" else "A"
        return (
            f"In {strand.place}, {strand.hero} {deed}. "
            f"{article} {tone} {genre} {_FORMS[kind]} about {first} and {second}."
        )

    def cast(self, strand: Strand) -> tuple[str, ...]:
        """Three to five names, most of them the strand's own ensemble."""
        count = int(self._random.integers(2, 5))
        names = [str(name) for name in self._random.permutation(strand.ensemble)[:count]]
        return tuple(dict.fromkeys((*names, self.person(strand.language))))

    def _pick(self, words: tuple[str, ...]) -> str:
        return words[int(self._random.integers(len(words)))]


_ROMAN = ("II", "III", "IV", "V")
