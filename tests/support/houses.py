"""A bundle loaded for several machines, and engines that make its members' pages in any way.

The slow twin makes each page by itself: one thread, one lane, no draft, nothing reused, its prompt
in one chunk, by the whole head.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from draft_heads import draft_arrays
from engines import run
from hypothesis import strategies as st
from pages import rows_of

from export.members import evening_after, made_up_members
from genpage.exploration import NO_EXPLORATION, Exploration
from genpage.grammar import DecodedRow
from runtime.arrays import IntArray
from runtime.cases import Member
from runtime.draft_head import DraftHead
from runtime.engine import Engine
from runtime.foresight import Foresight
from runtime.head import CatalogHead
from runtime.job import PageJob
from runtime.limits import Limits
from runtime.model import LoadedModel, LoadSettings
from runtime.offline import job_of
from runtime.pace import Pace, Source
from runtime.scope import Scope
from runtime.screen import Screen
from runtime.sessions import SessionSettings
from runtime.trunk import TrunkBackend

if TYPE_CHECKING:
    from runtime.output import Output

# How many entities of a row are in the sequence.
SERIALISED = (None, 1, 3)
ROWS, ENTITIES = 4, 6
SLOW = 0  # the machine of the slow twin


@dataclass(frozen=True, slots=True)
class Machine:
    """``lanes``: pages at once. ``capacity``: tokens that a slot holds.

    Where it ``foretells``, by a draft head that nobody trained.
    """

    threads: int
    lanes: int
    capacity: int
    foretells: bool = True


@dataclass(frozen=True, slots=True)
class Visit:
    """A member comes at a step, stays for some or to the end, and is scored by a scope."""

    member: int
    came: int
    stays: int | None
    scope: str


@dataclass(frozen=True, slots=True, eq=False)
class House:
    """The same bundle on several machines, and what each member's page must be.

    ``pages`` are by how much of a row is in the sequence, ``scopes`` by machine, then by name and
    member.
    """

    models: tuple[LoadedModel, ...]
    members: tuple[Member, ...]
    pages: Mapping[int | None, tuple[tuple[DecodedRow, ...], ...]]
    scopes: tuple[Mapping[tuple[str, int], Scope], ...]

    def job(self, machine: int, serialised: int | None, member: int, scope: str) -> PageJob:
        """A member's page; a scope that there is none of is the whole head."""
        model = short(self.models[machine], serialised)
        return replace(
            _asked(model, self.members[member]), scope=self.scopes[machine].get((scope, member))
        )


class Drafting(Pace):
    """Drafts as long as a draft is likelier right than ``least``, whatever passes cost."""

    def __init__(self, least: float) -> None:
        super().__init__()
        self._least = least

    def worth(self, chance: float, tokens: int, guessed: int) -> bool:  # noqa: ARG002 - its port
        """By the chance alone."""
        return chance > self._least

    def worth_a_look(self, source: Source, chance: float, tokens: int) -> bool:  # noqa: ARG002
        """Likewise."""
        return chance > self._least


class Whimsical(Pace):
    """Drafts of any length at any moment, as a seed has it."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)

    def worth(self, chance: float, tokens: int, guessed: int) -> bool:  # noqa: ARG002 - its port
        """By a coin."""
        return self._chance.random() < 0.7

    def worth_a_look(self, source: Source, chance: float, tokens: int) -> bool:  # noqa: ARG002
        """Likewise."""
        return self._chance.random() < 0.7


LIMITS = st.builds(
    Limits,
    batch=st.integers(1, 8),
    prefill_tokens=st.sampled_from([1, 7, 64, 128]),
    prefill_tokens_alone=st.sampled_from([3, 100, 256, 512]),
    prefix_cache=st.booleans(),
    speculation=st.booleans(),
    kv_bytes=st.sampled_from([1, 1 << 20, 1 << 30]),
)
# What measures, and what does not.
PACES = st.one_of(
    st.builds(Pace),
    st.builds(Drafting, st.sampled_from([0.0, 0.3, 0.8])),
    st.builds(Whimsical, st.integers(0, 1000)),
)
VISITS = st.lists(
    st.builds(
        Visit,
        member=st.integers(0, 5),
        came=st.integers(0, 9),
        stays=st.none() | st.integers(1, 12),
        scope=st.sampled_from(["whole", "own", "turned", "rough"]),
    ),
    min_size=1,
    max_size=9,
)


def house_of(folder: Path, machines: Sequence[Machine]) -> House:
    """Of a bundle; members with short and long prompts, greedy, explored and sampled.

    The first machine is the slow twin's.
    """
    models = tuple(_loaded(folder, machine) for machine in machines)
    slow = models[SLOW]
    at = evening_after(slow.catalog, None)
    members = tuple(
        _asking(member, number)
        for number, member in enumerate(
            made_up_members(slow.catalog, slow.rules, slow.trends, at, seed=4)
        )
    )
    pages = {each: _pages(short(slow, each), members) for each in SERIALISED}
    scopes = tuple(
        {
            (name, number): scope
            for number, member in enumerate(members)
            for name, scope in _scopes(model, job_of(model, member)).items()
        }
        for model in models
    )
    return House(models, members, pages, scopes)


def short(model: LoadedModel, serialised: int | None) -> LoadedModel:
    """The model with so much of a row in the sequence."""
    return replace(model, manifest=replace(model.manifest, serialised=serialised))


def check_visits(
    house: House,
    machine: int,
    serialised: int | None,
    limits: Limits,
    pace: Pace,
    visits: Sequence[Visit],
) -> None:
    """Members come at some step, with others before, beside and after them; some break off.

    Who broke off comes again, and the page goes on behind the rows that it had.
    """
    engine = Engine(limits)
    if limits.speculation:
        engine._pace = pace
    outputs: list[Output] = []
    step = 0
    leaving: dict[int, list[str]] = {}
    while engine.busy or step <= max(visit.came for visit in visits):
        for number, visit in enumerate(visits):
            if visit.came == step:
                job = house.job(machine, serialised, visit.member, visit.scope)
                engine.submit(replace(job, page_id=f"{number}"))
                if visit.stays is not None:
                    leaving.setdefault(step + visit.stays, []).append(f"{number}")
        for page_id in leaving.pop(step, []):
            engine.cancel(page_id)
        outputs += engine.step()
        engine.check_integrity()
        step += 1
    for number, visit in enumerate(visits):
        shown, whole = rows_of(outputs, f"{number}"), house.pages[serialised][visit.member]
        assert shown == whole[: len(shown)]
        if visit.stays is None:
            assert shown == whole
        elif len(shown) < len(whole):
            job = house.job(machine, serialised, visit.member, visit.scope)
            job.grammar.replay(shown)
            engine.submit(replace(job, page_id="again"))
            assert shown + rows_of(run(engine), "again") == whole


def _foretelling(model: LoadedModel) -> LoadedModel:
    held = model.snapshot
    items = np.concatenate([held.row_tokens, held.entity_tokens])
    head = DraftHead.from_arrays(draft_arrays(width := model.manifest.trunk.width, 24), width)
    inputs, outputs = held.lexicon.inputs, held.lexicon.outputs
    foresight = Foresight(head, inputs, outputs, len(held.row_tokens), items)
    return replace(model, drafts=head, snapshot=replace(held, foresight=foresight))


def _loaded(folder: Path, machine: Machine) -> LoadedModel:
    settings = LoadSettings(machine.lanes + 3, SessionSettings(machine.threads), machine.lanes)
    model = LoadedModel.load(folder, settings)
    if machine.foretells:
        model = _foretelling(model)
    bundle = model.backend
    if machine.capacity == bundle.capacity:
        return model
    backend = TrunkBackend(
        bundle.trunk,
        model.manifest.trunk.signature,
        model.snapshot.lexicon.inputs,
        capacity=machine.capacity,
        slots=bundle.slots,
        settings=settings.session,
        lanes=settings.lanes,
    )
    return replace(model, backend=backend)


def _asked(model: LoadedModel, member: Member) -> PageJob:
    """A member's page; of every other greedy one a share is drawn, the same at each visit."""
    explores = member.request.seed % 4 == 1
    return replace(
        job_of(model, member),
        exploration=Exploration(0.3) if explores else NO_EXPLORATION,
        drawn_as=member.name,
    )


def _asking(member: Member, number: int) -> Member:
    request = replace(
        member.request,
        rows=ROWS,
        entities_per_row=ENTITIES,
        seed=number,
        temperature=0.0 if number % 2 else 0.8,
    )
    return replace(member, autoregressive=1 + number % 4, request=request)


def _pages(model: LoadedModel, members: Sequence[Member]) -> tuple[tuple[DecodedRow, ...], ...]:
    alone = Limits(batch=1, prefix_cache=False, speculation=False, prefill_tokens_alone=5120)
    pages = []
    for member in members:
        engine = Engine(alone)
        engine.submit(replace(_asked(model, member), scope=None))
        pages.append(rows_of(run(engine), member.name))
    assert len(set(pages)) == len(pages)
    return tuple(pages)


def _scopes(model: LoadedModel, job: PageJob) -> dict[str, Scope]:
    """Heads by which a page may be scored: of its own titles, turned round, and roughly."""
    grammar, titles = job.grammar, len(model.catalog.entities)
    shown = [grammar.left_for(row) for row in range(len(model.catalog.rows))]
    own = np.unique(np.concatenate(shown)).astype(np.int32)
    turned = np.arange(titles, dtype=np.int32)[::-1].copy()
    scopes = {"own": _scope(model, own), "turned": _scope(model, turned)}
    if model.manifest.precision == "fp32":
        rows, session = model.row_tokens, model.settings.session
        tokens = np.concatenate([rows, model.entity_tokens[turned]])
        screen = Screen(tokens, len(rows), model.snapshot.lexicon.output_vectors, session)
        if screen.again.agrees(session):
            scopes["rough"] = Scope(screen, scopes["turned"].places, screen)
    return scopes


def _scope(model: LoadedModel, entities: IntArray) -> Scope:
    """A head over all rows and some entities, in this order."""
    tokens = np.concatenate([model.row_tokens, model.entity_tokens[entities]])
    head = CatalogHead(
        tokens,
        model.snapshot.lexicon.output_vectors,
        model.manifest.precision,
        model.settings.session,
    )
    places = np.full(len(model.catalog.entities), len(entities), np.int32)
    places[entities] = np.arange(len(entities), dtype=np.int32)
    return Scope(head, places)
