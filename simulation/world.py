"""The synthetic service before its first day: catalog, members, and the truth behind both."""

from dataclasses import dataclass

import numpy as np

from genpage.entity import ENTITY_KINDS
from simulation.behaviour import Behaviour
from simulation.library import GENRES, Library, build_library
from simulation.motifs import MOTIFS
from simulation.population import (
    STYLES,
    Population,
    build_population,
    daypart_tastes,
    weekend_taste,
)
from simulation.settings import Settings
from simulation.truth import Floats, Truth
from simulation.words import LANGUAGES

_GENRE_WEIGHT, _STYLE_WEIGHT = 0.75, 0.65
_SURGES_A_DAY = 1.5


@dataclass(frozen=True)
class World:
    """Everything that is drawn once."""

    settings: Settings
    library: Library
    population: Population
    truth: Truth


def build_world(settings: Settings) -> World:
    """Draw the world that the seed names; each part has a random stream of its own."""
    streams = np.random.default_rng(settings.seed).spawn(3)
    library = build_library(settings, streams[0])
    population = build_population(settings, len(library.strands), streams[1])
    return World(settings, library, population, _truth(settings, library, population, streams[2]))


def _truth(
    settings: Settings, library: Library, population: Population, random: np.random.Generator
) -> Truth:
    entities = library.catalog.entities
    size = len(entities)
    styles = _strand_styles(library, random)
    vectors = _vectors(library, styles, random)
    strand_vectors = np.stack(
        [
            _unit(np.r_[_genre_part(strand.motif.genres), _STYLE_WEIGHT * style])
            for strand, style in zip(library.strands, styles, strict=True)
        ]
    )
    surges = round(_SURGES_A_DAY * settings.days)
    return Truth(
        start=settings.start,
        entity_ids=np.array([entity.id for entity in entities]),
        vectors=vectors,
        strand=library.strand,
        strand_vectors=strand_vectors,
        allure=random.normal(0.0, 0.4, size=size).astype(np.float32),
        quality=random.normal(0.0, 0.7, size=size).astype(np.float32),
        kind=np.array([ENTITY_KINDS.index(entity.kind) for entity in entities], np.int32),
        duration_s=np.array([e.duration_s or np.nan for e in entities], np.float64),
        languages=np.array([[code in e.languages for code in LANGUAGES] for e in entities]),
        released_at=library.catalog.released_at,
        burst=random.gamma(2.0, 0.55, size=size).astype(np.float32),
        surge_entity=random.integers(size, size=surges).astype(np.int32),
        surge_at=settings.start + np.sort(random.uniform(0, 86_400 * settings.days, size=surges)),
        surge=random.uniform(0.8, 2.2, size=surges).astype(np.float32),
        member_ids=np.array(population.ids),
        household=population.household,
        taste_first=population.taste_first,
        taste_last=population.taste_last,
        craving=population.craving,
        patience=population.patience,
        eagerness=population.eagerness,
        language=population.language,
        hours_ahead=population.hours_ahead,
        dayparts=daypart_tastes(),
        weekend=weekend_taste(),
        behaviour=Behaviour(),
    )


def _strand_styles(library: Library, random: np.random.Generator) -> Floats:
    """(S, STYLES): most of a strand's style is its motif's, the rest is its place's."""
    motifs = {motif.name: random.normal(size=STYLES) for motif in MOTIFS}
    own = random.normal(size=(len(library.strands), STYLES))
    styles = np.stack([motifs[strand.motif.name] for strand in library.strands]) + 0.45 * own
    return _unit(styles)


def _vectors(library: Library, styles: Floats, random: np.random.Generator) -> Floats:
    """(E, D) unit vectors: genres, and the strand's style with a little of the title's own."""
    entities = library.catalog.entities
    own = 0.15 * random.normal(size=(len(entities), STYLES))
    style = _STYLE_WEIGHT * (styles[library.strand] + own)
    genres = np.stack([_genre_part(entity.genres) for entity in entities])
    return _unit(np.concatenate([genres, style], axis=1))


def _genre_part(genres: tuple[str, ...]) -> Floats:
    part = np.zeros(len(GENRES), np.float32)
    part[[GENRES.index(genre) for genre in genres]] = _GENRE_WEIGHT / np.sqrt(len(genres))
    return part


def _unit(values: "np.ndarray[tuple[int, ...], np.dtype[np.floating]]") -> Floats:
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), np.float32)
