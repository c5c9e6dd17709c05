"""A synthetic service, day by day: members come, pages are drawn, members react, all is logged."""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from dataset.write import FolderWriter
from genpage.catalog import SECONDS_A_DAY
from genpage.entity import ENTITY_KINDS
from genpage.profile import PROFILE_TYPES, Profile
from genpage.request import DEVICES
from genpage.rules import Rules
from genpage.trends import HALF_LIFE_S, Trends
from simulation.behaviour import OUTCOMES
from simulation.beside import Beside
from simulation.feedback import Feedback, sample
from simulation.logging_policy import LoggingPolicy, Pages
from simulation.memory import Memory
from simulation.odds import Visits, weigh
from simulation.offer import Offer
from simulation.population import Population
from simulation.sessions import MOST_A_DAY, day_sessions, pauses
from simulation.settings import Settings
from simulation.tables import Done, Names, Shown, event_table, impression_table, no_impressions
from simulation.words import LANGUAGES
from simulation.world import World, build_world

_TITLED = (ENTITY_KINDS.index("film"), ENTITY_KINDS.index("show"))
# How blurred the policy sees a title.
_BLUR = 0.12
# A look at a page takes at least so long, seconds.
_LOOKED_S = 45.0
# A crowd is served by so many threads, a smaller one by one.
_HANDS, _CROWD = 2, 100
# A count of the days before fades by this much a day.
_FADES_A_DAY = 0.5 ** (SECONDS_A_DAY / HALF_LIFE_S)


@dataclass(frozen=True, slots=True)
class Summary:
    """What was simulated."""

    entities: int
    rows: int
    members: int
    days: int
    pages: int
    impressions: int
    events: int


def simulate(
    settings: Settings, writer: FolderWriter, *, progress: Callable[[str], None] | None = None
) -> Summary:
    """Simulate the service that ``settings`` names and write it; ``progress`` hears each day."""
    world = build_world(settings)
    catalog = world.library.catalog
    writer.entities(catalog.entities)
    writer.rows(catalog.rows)
    writer.profiles(profile_table(world.population))
    world.truth.save(writer.path / "truth")
    with ThreadPoolExecutor(_HANDS + 1) as pool:
        service = Service(world, pool)
        # A day is written while the next one is simulated; one, so that memory stays bounded.
        written: Future[None] | None = None
        for day in range(settings.days):
            name = settings.name(day)
            if progress is not None:
                progress(name)
            logged = service.day(day)
            if written is not None:
                written.result()
            written = pool.submit(_write, writer, name, logged)
        if written is not None:
            written.result()
    return service.summary


@dataclass(frozen=True)
class Logged:
    """A day's tables."""

    events: pl.DataFrame
    impressions: pl.DataFrame


def _write(writer: FolderWriter, day: str, logged: Logged) -> None:
    writer.events(day, logged.events)
    writer.impressions(day, logged.impressions)


class Service:
    """The running service. Mutated by `day`, which is called once for each day in order."""

    def __init__(self, world: World, pool: Executor) -> None:
        """``pool`` runs the halves of a crowd side by side; NumPy leaves the other core free."""
        self._world = world
        self._pool = pool
        settings, truth, catalog = world.settings, world.truth, world.library.catalog
        self._streams = np.random.default_rng([settings.seed, 1]).spawn(settings.days)
        blur = np.random.default_rng([settings.seed, 2]).normal(size=truth.vectors.shape)
        seen = truth.vectors + _BLUR * blur
        features = (seen / np.linalg.norm(seen, axis=1, keepdims=True)).astype(np.float32)
        self._memory = Memory(settings.members, features, truth.duration_s)
        offer = Offer(catalog, Rules.default(), profiles(world.population))
        self._beside = Beside(truth, self._memory, offer)
        self._policy = LoggingPolicy(
            catalog,
            features,
            offer,
            rows=settings.rows_a_page,
            columns=settings.entities_a_row,
        )
        self._counts = np.zeros(len(catalog.entities))
        self._waiting: list[Done] = []  # engagements after the midnight that their session crossed
        self._names = Names(
            pl.Series([entity.id for entity in catalog.entities]),
            pl.Series([row.id for row in catalog.rows]),
            pl.Series(world.population.ids),
        )
        self._titled = np.isin(truth.kind, _TITLED)
        self._events = self._pages = self._impressions = 0

    @property
    def summary(self) -> Summary:
        """What was simulated so far."""
        settings, catalog = self._world.settings, self._world.library.catalog
        return Summary(
            entities=len(catalog.entities),
            rows=len(catalog.rows),
            members=settings.members,
            days=settings.days,
            pages=self._pages,
            impressions=self._impressions,
            events=self._events,
        )

    def day(self, day: int) -> Logged:
        """Simulate one day; engagements past its end are logged by the next."""
        settings, random = self._world.settings, self._streams[day]
        midnight, end = settings.midnight(day), settings.midnight(day + 1)
        self._memory.pass_day()
        self._policy.start_day(midnight, Trends(self._counts.astype(np.float32)))
        sessions = day_sessions(self._world.population, midnight, random)
        tables = []
        for number in range(MOST_A_DAY):
            pause = pauses(settings.members, random)
            visits = sessions.wave(number, self._memory.busy_until, end, pause)
            if len(visits.member):
                tables += self._serve(visits, settings.name(day), number, random)
        events = self._log(end)
        impressions = pl.concat([no_impressions(), *tables]).sort("ts", maintain_order=True)
        self._impressions += impressions.height
        return Logged(events, impressions)

    def _serve(
        self, visits: Visits, day: str, number: int, random: np.random.Generator
    ) -> list[pl.DataFrame]:
        """Show one page to each visitor and let it react; gives the impressions.

        The crowd is served in parts of a fixed number, each with a random stream of its own, so
        that the outcome depends on no thread's speed.
        """
        parts = _parts(visits)
        served = self._pool.map(
            lambda part, stream: self._react(part, day, number, stream),
            parts,
            random.spawn(len(parts)),
        )
        tables = []
        for part, (done, table) in zip(parts, list(served), strict=True):
            self._note(part, done)
            self._pages += len(part.member)
            tables.append(table)
        return tables

    def _react(
        self, visits: Visits, day: str, number: int, random: np.random.Generator
    ) -> tuple[list[Done], pl.DataFrame]:
        """What these visitors do, and their impressions. Reads the memory, changes nothing."""
        truth = self._world.truth
        pages = self._policy.draw(self._memory, visits, random)
        known = self._memory.familiarity[visits.member[:, None, None], pages.entities]
        odds = weigh(truth, visits, pages.entities, known.astype(np.int32))
        feedback = sample(truth.behaviour, odds, random)
        shown = self._shown(visits, pages, feedback, day, number)
        done = self._page_engagements(shown, feedback)
        done += self._beside.after(visits, done, random)
        return done, impression_table(shown, self._names)

    def _shown(
        self, visits: Visits, pages: Pages, feedback: Feedback, day: str, number: int
    ) -> Shown:
        population = self._world.population
        shape = pages.entities.shape
        outcome, watched = feedback.outcome.copy(), feedback.watched_s.copy()
        # The log ends with the last day: what was done later is not in it.
        late = visits.at[:, None] + feedback.after_s >= self._world.settings.end
        outcome[late], watched[late] = -1, 0.0
        compact = day.replace("-", "")
        return Shown(
            page_id=pl.Series([f"p-{compact}-{m:05d}-{number}" for m in visits.member]),
            member=visits.member,
            at=visits.at,
            device=pl.Series([DEVICES[device] for device in visits.device]),
            locale=pl.Series(
                [
                    f"{LANGUAGES[population.language[m]]}-{population.country[m]}"
                    for m in visits.member
                ]
            ),
            rows=pages.rows,
            entities=pages.entities,
            propensity=pages.propensity,
            seen=feedback.seen.reshape(shape),
            outcome=outcome.reshape(shape),
            watched_s=np.round(watched, 1).reshape(shape),
        )

    def _page_engagements(self, shown: Shown, feedback: Feedback) -> list[Done]:
        after = feedback.after_s.reshape(shown.entities.shape)
        done = []
        for page, row_pos, col_pos in zip(*np.nonzero(shown.outcome >= 0), strict=True):
            watched = float(shown.watched_s[page, row_pos, col_pos])
            done.append(
                Done(
                    member=int(shown.member[page]),
                    entity=int(shown.entities[page, row_pos, col_pos]),
                    action=OUTCOMES[shown.outcome[page, row_pos, col_pos]],
                    ts=round(float(shown.at[page] + after[page, row_pos, col_pos]), 3),
                    watched_s=watched or None,
                    page_id=shown.page_id[int(page)],
                    row=int(shown.rows[page, row_pos]),
                    row_pos=int(row_pos),
                    col_pos=int(col_pos),
                )
            )
        return done

    def _note(self, visits: Visits, done: list[Done]) -> None:
        """Remember what was done; what comes after the last day is in no log."""
        end = self._world.settings.end
        memory = self._memory
        memory.busy_until[visits.member] = visits.at + _LOOKED_S
        for one in sorted(done, key=lambda engagement: engagement.ts):
            if one.ts < end:
                memory.apply(one, is_titled=bool(self._titled[one.entity]))
                self._waiting.append(one)

    def _log(self, end: float) -> pl.DataFrame:
        """The engagements before ``end`` as events, and into the counts of the days before."""
        due = [one for one in self._waiting if one.ts < end]
        self._waiting = [one for one in self._waiting if one.ts >= end]
        events = event_table(due, self._events, self._names)
        self._events += events.height
        self._counts *= _FADES_A_DAY
        entities = np.array([one.entity for one in due], np.int64)
        age = end - np.array([one.ts for one in due])
        np.add.at(self._counts, entities, 0.5 ** (age / HALF_LIFE_S))
        return events


def _parts(visits: Visits) -> list[Visits]:
    """A crowd in as many parts as there are hands, a few visitors in one."""
    hands = _HANDS if len(visits.member) >= _CROWD else 1
    lines = np.array_split(np.arange(len(visits.member)), hands)
    return [Visits(visits.member[part], visits.at[part], visits.device[part]) for part in lines]


def profiles(population: Population) -> list[Profile]:
    """The members' profiles."""
    return [
        Profile(
            user_id=user_id,
            language=LANGUAGES[population.language[member]],
            profile_type=PROFILE_TYPES[population.profile_type[member]],
            country=population.country[member],
            maturity=int(population.maturity[member]),
            ts=float(population.created_at[member]),
        )
        for member, user_id in enumerate(population.ids)
    ]


def profile_table(population: Population) -> pl.DataFrame:
    """The members' profiles as the layout's table."""
    return pl.DataFrame(
        {
            "user_id": population.ids,
            "language": [LANGUAGES[code] for code in population.language],
            "profile_type": [PROFILE_TYPES[code] for code in population.profile_type],
            "country": population.country,
            "maturity": population.maturity,
            "created_at": population.created_at,
        }
    )
