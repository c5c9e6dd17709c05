"""The hidden truth of a simulated service: what nobody logs, and what rewards are computed from.

Written beside the data (``truth/``), so that the true expected reward of any page can be computed
later. Training must not read it.

Shape legend: E entities, M members, D taste dimensions, S strands, L languages, Y days, X surges.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from genpage.catalog import SECONDS_A_DAY
from genpage.errors import DatasetError
from simulation.behaviour import Behaviour

Floats = NDArray[np.float32]
Times = NDArray[np.float64]
Ints = NDArray[np.int32]

SCHEMA = 1
_BURST_HALF_LIFE_S = 2.5 * SECONDS_A_DAY
_SURGE_HALF_LIFE_S = 1.5 * SECONDS_A_DAY


@dataclass(frozen=True)
class Truth:
    """Arrays by entity, by member and by time. ``start`` is the first day's UTC midnight."""

    start: float
    entity_ids: NDArray[np.str_]  # (E,)
    vectors: Floats  # (E, D) what a title is like; unit length
    strand: Ints  # (E,)
    strand_vectors: Floats  # (S, D)
    allure: Floats  # (E,) how much better it looks than it is, logits
    quality: Floats  # (E,)
    kind: Ints  # (E,) positions in `ENTITY_KINDS`
    duration_s: Times  # (E,) NaN where there is none
    languages: NDArray[np.bool_]  # (E, L)
    released_at: Times  # (E,)
    burst: Floats  # (E,) attention at release, logits, halved every 2.5 days
    surge_entity: Ints  # (X,) a title that everybody talks about for a while
    surge_at: Times  # (X,)
    surge: Floats  # (X,) logits, halved every 1.5 days
    member_ids: NDArray[np.str_]  # (M,)
    household: Ints  # (M,)
    taste_first: Floats  # (M, D) taste on the first day
    taste_last: Floats  # (M, D) and on the last; between the two it drifts
    craving: Ints  # (Y, M) the strand craved that day, -1 for none (arrays have no None)
    patience: Floats  # (M,) logit of going on to the next row
    eagerness: Floats  # (M,) logit added to every attraction
    language: Ints  # (M,) positions in the languages
    hours_ahead: Floats  # (M,) local time less UTC
    dayparts: Floats  # (4, D) how the time of day moves tastes
    weekend: Floats  # (D,)
    behaviour: Behaviour

    @property
    def days(self) -> int:
        """How many days are simulated."""
        return len(self.craving)

    def taste(self, member: Ints, at: Times) -> Floats:
        """(B, D) what each member wants at that time: drift, craving, time of day and week.

        Outside the simulated days the taste stays what it was, and nobody craves.
        """
        day = np.floor((at - self.start) / SECONDS_A_DAY)
        way = np.clip(day / max(1, self.days - 1), 0.0, 1.0).astype(np.float32)[:, None]
        taste: Floats = (1 - way) * self.taste_first[member] + way * self.taste_last[member]
        inside = (day >= 0) & (day < self.days)
        craved = self.craving[np.clip(day, 0, self.days - 1).astype(np.int32), member]
        craves = inside & (craved >= 0)
        taste[craves] += self.behaviour.craving * self.strand_vectors[craved[craves]]
        local = at + 3600.0 * self.hours_ahead[member]
        taste += self.dayparts[daypart(local)]
        weekday = (np.floor(local / SECONDS_A_DAY).astype(np.int64) + 3) % 7  # 1970-01-01: Thursday
        taste[weekday >= 5] += self.weekend  # noqa: PLR2004 - Saturday
        return taste

    def attention(self, at: Times) -> Floats:
        """(T, E) what each moment adds to each title's attraction, logits: releases and surges."""
        age = at[:, None] - self.released_at
        halvings = np.clip(age, 0.0, None) / _BURST_HALF_LIFE_S
        attention = np.where(age >= 0, self.burst * np.exp2(-halvings), 0.0)
        since = at[:, None] - self.surge_at  # (T, X)
        height = self.surge * np.exp2(-np.clip(since, 0.0, None) / _SURGE_HALF_LIFE_S)
        # By entity in the first axis: several surges may lift one title.
        by_entity = attention.T
        np.add.at(by_entity, self.surge_entity, np.where(since >= 0, height, 0.0).T)
        return by_entity.T.astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write ``truth.npz`` (no pickle) and ``behaviour.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "behaviour"}
        np.savez(folder / "truth.npz", allow_pickle=False, **arrays)
        document = {"schema": SCHEMA, "behaviour": asdict(self.behaviour)}
        (folder / "behaviour.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))

    @classmethod
    def load(cls, folder: Path) -> "Truth":
        """The truth that `save` wrote; `DatasetError` where it is not there or not readable."""
        try:
            document = orjson.loads((folder / "behaviour.json").read_bytes())
            if document.get("schema") != SCHEMA:
                raise DatasetError(f"{folder} is of another schema than {SCHEMA}; simulate again")
            behaviour = TypeAdapter(Behaviour).validate_python(document["behaviour"])
            with np.load(folder / "truth.npz", allow_pickle=False) as arrays:
                content = {f.name: arrays[f.name] for f in fields(cls) if f.name != "behaviour"}
        except (OSError, ValueError, KeyError, ValidationError) as error:
            raise DatasetError(
                f"{folder} holds no readable truth ({error}); `genpage simulate` writes one"
            ) from error
        content["start"] = float(content["start"])
        return cls(**content, behaviour=behaviour)


def daypart(local: Times) -> Ints:
    """Morning 0, afternoon 1, evening 2, night 3, from local seconds."""
    hour = (local % SECONDS_A_DAY) / 3600.0
    return ((np.digitize(hour, [5.0, 12.0, 18.0, 23.0]) + 3) % 4).astype(np.int32)
