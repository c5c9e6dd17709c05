"""Pages on the real runtime do not depend on how they are computed: not one token.

Whatever an engine does instead of the slow twin (`houses`), and whoever else it serves meanwhile,
the rows are the same: greedy, explored and sampled, of whole rows and of short ones, by any head
that scores what a page may show.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engines import run
from houses import (
    LIMITS,
    PACES,
    SERIALISED,
    SLOW,
    VISITS,
    House,
    Machine,
    Visit,
    check_visits,
    house_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import rows_of

from genpage.exploration import NO_EXPLORATION
from runtime.arrays import FloatArray
from runtime.chunk import Chunk
from runtime.engine import Engine
from runtime.exactness import is_exact
from runtime.fake import FakeBackend
from runtime.limits import Limits
from runtime.pace import Pace

MACHINES = (
    Machine(1, 1, 5120),
    Machine(1, 8, 5120),
    Machine(2, 2, 700, foretells=False),
    Machine(2, 4, 1300),
    Machine(1, 3, 640),
)
# A large bundle takes its time and its memory.
LARGE_MACHINES = (Machine(1, 1, 5120), Machine(1, 8, 5120), Machine(2, 4, 1300))
LARGE = os.environ.get("GENPAGE_NIGHTLY_BUNDLE")
LARGE_EXAMPLES = int(os.environ.get("GENPAGE_NIGHTLY_EXAMPLES", "100"))


@pytest.fixture(scope="module", params=["int8", "fp32"])
def house(request: pytest.FixtureRequest) -> House:
    """Of a bundle of tiny random weights, in each precision."""
    folder: Path = request.getfixturevalue(f"{request.param}_bundle")
    return house_of(folder, MACHINES)


@pytest.fixture(scope="module")
def large_house() -> House:
    """Of the bundle that the environment names."""
    assert LARGE is not None
    return house_of(Path(LARGE), LARGE_MACHINES)


@settings(max_examples=40)
@given(st.integers(0, len(MACHINES) - 1), st.sampled_from(SERIALISED), LIMITS, PACES, VISITS)
def test_no_way_of_computing_a_page_changes_it(
    house: House,
    machine: int,
    serialised: int | None,
    limits: Limits,
    pace: Pace,
    visits: list[Visit],
) -> None:
    """On any machine, under any limits, by any draft policy, however members come and go."""
    check_visits(house, machine, serialised, limits, pace, visits)


@pytest.mark.nightly
@pytest.mark.skipif(LARGE is None, reason="GENPAGE_NIGHTLY_BUNDLE is not set")
@pytest.mark.timeout(0)
@settings(max_examples=LARGE_EXAMPLES)
@given(st.integers(0, len(LARGE_MACHINES) - 1), st.sampled_from(SERIALISED), LIMITS, PACES, VISITS)
def test_no_way_of_computing_a_large_bundles_page_changes_it(
    large_house: House,
    machine: int,
    serialised: int | None,
    limits: Limits,
    pace: Pace,
    visits: list[Visit],
) -> None:
    """The same on weights of a size that serves, whose products take other paths."""
    check_visits(large_house, machine, serialised, limits, pace, visits)


def test_every_scope_there_is_was_made(house: House) -> None:
    """So that what is drawn above is what it says; roughly where this processor can."""
    for model, scopes in zip(house.models, house.scopes, strict=True):
        names = {name for name, _ in scopes}
        assert {"own", "turned"} <= names
        assert ("rough" in names) <= (model.manifest.precision == "fp32")
        assert len(scopes) == len(names) * len(house.members)
    assert len({house.pages[each] for each in SERIALISED}) == len(SERIALISED)


def test_every_other_greedy_page_is_explored(house: House) -> None:
    """So that what is drawn above is; without exploration it is another page."""
    jobs = [house.job(SLOW, None, member, "whole") for member in range(len(house.members))]
    explored = [number for number, job in enumerate(jobs) if job.exploration.share]
    assert explored == [1, 5]
    engine = Engine(Limits(speculation=False))
    for number in explored:
        greedy = replace(jobs[number], page_id=f"{number}", exploration=NO_EXPLORATION)
        engine.submit(greedy)
    outputs = run(engine)
    for number in explored:
        assert rows_of(outputs, f"{number}") != house.pages[None][number]


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


class RoundingFew(FakeBackend):
    """The same of a state that is read alone."""

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """Run."""
        states = super().forward(chunks)
        return [
            np.nextafter(state, np.float32(np.inf))
            if chunk.scored < min(3, len(chunk.tokens))
            else state
            for chunk, state in zip(chunks, states, strict=True)
        ]


def test_a_processor_that_is_not_exact_is_found_out() -> None:
    """One that rounds a single token otherwise, or a single state."""
    assert is_exact(FakeBackend(), 100, 2)
    assert not is_exact(Rounding(), 100, 2)
    assert not is_exact(RoundingFew(), 100, 2)
