"""Pages on the real runtime do not depend on how they are computed: not one token.

The slow twin makes each page by itself: one thread, one lane, no draft, nothing reused, its prompt
in one chunk. Whatever an engine does instead, and whoever else it serves meanwhile, the rows are
the same, greedy and sampled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import rows_of

from export.members import evening_after, made_up_members
from genpage.grammar import DecodedRow
from runtime.arrays import FloatArray
from runtime.cases import Member
from runtime.chunk import Chunk
from runtime.engine import Engine
from runtime.exactness import is_exact
from runtime.fake import FakeBackend
from runtime.limits import Limits
from runtime.model import LoadedModel, LoadSettings
from runtime.offline import job_of
from runtime.output import Output
from runtime.pace import Pace
from runtime.sessions import SessionSettings
from runtime.trunk import TrunkBackend

if TYPE_CHECKING:
    from pathlib import Path

# Threads, pages at once, tokens that a slot holds.
MACHINES = ((1, 1, 5120), (1, 8, 5120), (2, 2, 700), (2, 4, 1300), (1, 3, 640))
PAGES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 9), st.none() | st.integers(1, 12)),
    min_size=1,
    max_size=9,
)
LIMITS = st.builds(
    Limits,
    batch=st.integers(1, 8),
    prefill_tokens=st.sampled_from([1, 7, 64, 128]),
    prefill_tokens_alone=st.sampled_from([3, 100, 512]),
    prefix_cache=st.booleans(),
    speculation=st.booleans(),
    kv_bytes=st.sampled_from([1, 1 << 20, 1 << 30]),
)


class Drafting(Pace):
    """Drafts as long as a draft is likelier right than ``least``, whatever passes cost."""

    def __init__(self, least: float) -> None:
        super().__init__()
        self._least = least

    def worth(self, chance: float, tokens: int, guessed: int) -> bool:  # noqa: ARG002 - its port
        """By the chance alone."""
        return chance > self._least


@dataclass(frozen=True, slots=True, eq=False)
class House:
    """The same bundle loaded for several machines, and what each member's page must be."""

    models: tuple[LoadedModel, ...]
    members: tuple[Member, ...]
    pages: tuple[tuple[DecodedRow, ...], ...]


@pytest.fixture(scope="module", params=["int8", "fp32"])
def house(request: pytest.FixtureRequest) -> House:
    """Of a bundle of each precision; members with short and long prompts, greedy and sampled."""
    folder: Path = request.getfixturevalue(f"{request.param}_bundle")
    models = tuple(
        of_capacity(
            LoadedModel.load(folder, LoadSettings(batch + 3, SessionSettings(threads), batch)),
            capacity,
        )
        for threads, batch, capacity in MACHINES
    )
    slow = models[0]
    made = made_up_members(
        slow.catalog, slow.rules, slow.trends, evening_after(slow.catalog, None), seed=4
    )
    members = tuple(
        replace(
            member,
            autoregressive=1 + number % 4,
            request=replace(
                member.request,
                rows=4,
                entities_per_row=6,
                seed=number,
                temperature=0.0 if number % 2 else 0.8,
            ),
        )
        for number, member in enumerate(made)
    )
    alone = Limits(batch=1, prefix_cache=False, speculation=False, prefill_tokens_alone=5120)
    pages = []
    for member in members:
        engine = Engine(alone)
        engine.submit(job_of(slow, member))
        pages.append(rows_of(run(engine), member.name))
    assert len(set(pages)) == len(pages)
    return House(models, members, tuple(pages))


def of_capacity(model: LoadedModel, capacity: int) -> LoadedModel:
    """The model with slots that hold so many tokens."""
    if capacity == model.backend.capacity:
        return model
    trunk, bundle = model.manifest.trunk, model.backend
    backend = TrunkBackend(
        bundle.trunk,
        trunk.signature,
        model.snapshot.lexicon.inputs,
        capacity=capacity,
        slots=bundle.slots,
        settings=model.settings.session,
        lanes=model.settings.lanes,
    )
    return replace(model, backend=backend)


def run(engine: Engine) -> list[Output]:
    """Step to the end."""
    outputs: list[Output] = []
    while engine.busy:
        outputs += engine.step()
        engine.check_integrity()
    return outputs


@settings(max_examples=30)
@given(st.integers(0, len(MACHINES) - 1), LIMITS, PAGES, st.sampled_from([0.0, 0.3, 0.8]))
def test_no_way_of_computing_a_page_changes_it(
    house: House,
    machine: int,
    limits: Limits,
    visits: list[tuple[int, int, int | None]],
    least: float,
) -> None:
    """Members come at some step, with others before, beside and after them; some break off.

    Who broke off comes again, and the page goes on behind the rows that it had.
    """
    model = house.models[machine]
    engine = Engine(limits)
    if limits.speculation:
        engine._pace = Drafting(least)
    outputs: list[Output] = []
    step = 0
    leaving: dict[int, list[str]] = {}
    while engine.busy or step <= max(came for _, came, _ in visits):
        for number, (member, came, stays) in enumerate(visits):
            if came == step:
                page_id = f"{number}"
                engine.submit(replace(job_of(model, house.members[member]), page_id=page_id))
                if stays is not None:
                    leaving.setdefault(step + stays, []).append(page_id)
        for page_id in leaving.pop(step, []):
            engine.cancel(page_id)
        outputs += engine.step()
        engine.check_integrity()
        step += 1
    for number, (member, _, stays) in enumerate(visits):
        shown, whole = rows_of(outputs, f"{number}"), house.pages[member]
        assert shown == whole[: len(shown)]
        if stays is None:
            assert shown == whole
        elif len(shown) < len(whole):
            job = replace(job_of(model, house.members[member]), page_id="again")
            job.grammar.replay(shown)
            engine.submit(job)
            assert shown + rows_of(run(engine), "again") == whole


def test_this_processor_is_exact(house: House) -> None:
    """What is tried out at each loading, with as many lanes as are used."""
    for model in house.models:
        assert model.exact
        assert is_exact(model.backend, model.manifest.vocabulary_size, 8)


class Rounding(FakeBackend):
    """Gives a chunk of a single token a little more, as a kernel of its own might."""

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """Run."""
        states = super().forward(chunks)
        return [
            np.nextafter(state, np.float32(np.inf)) if len(chunk.tokens) == 1 else state
            for chunk, state in zip(chunks, states, strict=True)
        ]


def test_a_processor_that_is_not_exact_is_found_out() -> None:
    """One that rounds a single token otherwise."""
    assert is_exact(FakeBackend(), 100, 2)
    assert not is_exact(Rounding(), 100, 2)
