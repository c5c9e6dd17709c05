"""The table of bounds, and the parts of the load that need no model."""

from pathlib import Path

import numpy as np
import pytest
from forgery import Document, copied, edit
from tiny import tiny_bundle

from api.compose import Settings
from benchmarks import bounds, head, load
from benchmarks.bounds import Best, Line, Sample
from benchmarks.engine import catalog_of, grammars
from benchmarks.inside import Inside
from benchmarks.load import Resident, Wave
from benchmarks.peers.task import PageTask
from benchmarks.rates import Rate, Rates
from benchmarks.roof import Roof
from benchmarks.spread import Spread
from benchmarks.visit import Measured, Parts, Visit
from genpage.errors import UsageError
from runtime.sessions import Binding, Mapped
from runtime.signature import EMBEDDINGS


@pytest.mark.parametrize(
    ("sense", "measured", "holds"),
    [
        ("at least", 3.0, True),
        ("at least", 2.99, False),
        ("at most", 3.0, True),
        ("at most", 3.01, False),
        ("at least", None, None),
    ],
)
def test_a_bound_holds_or_not_or_is_unknown(
    sense: str, measured: float | None, holds: bool | None
) -> None:
    """A figure that nobody measured neither holds nor fails."""
    line = Line("what", sense, 3.0, "times", measured)  # type: ignore[arg-type]  # checked by the table
    assert line.holds is holds
    assert line.document()["holds"] is holds


def _short(manifest: Document) -> None:
    manifest["serialised"] = 4


def test_rows_are_what_the_manifest_says(tmp_path: Path) -> None:
    """Short rows are not printed as full ones, nor full ones as short: nothing is measured."""
    full, sample = tiny_bundle("int8"), Sample(1, 0, 0)
    short = copied(full, tmp_path)
    edit(short / "manifest.json", _short)
    with pytest.raises(UsageError, match=r"--bundle .* the first 4 titles .* --serialised 0"):
        bounds.report(Settings(bundle=short), sample, short=None, large=None, peers=None)
    with pytest.raises(UsageError, match=r"--short .* all titles"):
        bounds.report(Settings(bundle=full), sample, short=full, large=None, peers=None)


def visit(first_row_ms: float) -> Visit:
    """Pages of which only the first row's time tells."""
    ms, first = Spread.of([1.0]), Spread.of([first_row_ms])
    parts = Parts.of([Inside()])
    return Visit(ms, first, ms, ms, ms, parts, 1, 1, 0.0, 1)


def test_first_rows_and_the_heads_step_are_told() -> None:
    """The returning member's beside the warm one's, in chunks; the step in those of the few."""
    measured = Measured(visit(9.0), returning=visit(7.0), warm=visit(5.0))
    pages = {"full rows": measured, "full rows, all autoregressive": measured}
    rates = {"full rows": load.Measured(8, 8, Rates(), Rates(), None)}
    lines = {line.what: line for line in bounds._lines(pages, rates, Best.of(None), 2.0, 1.3)}
    told = [lines[f"first row, {each}, full rows"] for each in ("warm", "returning")]
    assert [(line.measured, line.holds) for line in told] == [(2.5, True), (3.5, False)]
    step = lines["head's step, 200k titles with 20k eligible / 20k"]
    assert (step.measured, step.bound, step.holds) == (1.3, 1.2, False)


def test_the_heads_step_is_compared_by_two_heads_of_as_many_titles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All of the few, a tenth of the many."""
    monkeypatch.setattr(head, "_FEW_AND_MANY", (200, 2_000))
    seen: list[tuple[int, int, int]] = []
    turn = head.Stand.turn

    def watched(stand: head.Stand, hidden: np.ndarray, reading: None = None) -> None:
        turn(stand, hidden, reading)
        seen.append((stand.entities, stand.eligible, stand.head.nbytes))

    monkeypatch.setattr(head.Stand, "turn", watched)
    assert head.ratio(width=64, threads=1, rounds=2) > 0
    assert seen == 2 * [(200, 200, 240 * 64), (2_000, 200, 240 * 64)]


def test_without_peers_there_is_no_best() -> None:
    """And no ratio to it."""
    assert Best.of(None) == Best(None, None, None, None)


def task(prompt: list[int]) -> PageTask:
    """A page of a prompt."""
    empty = np.zeros(0, np.int32)
    catalog = catalog_of(50)
    return PageTask(np.array(prompt, np.int32), grammars(catalog, 1)[0], 1, 1, empty, empty)


def test_a_waves_prompts_are_of_one_length_and_keep_what_they_share() -> None:
    """Cut where a member's history begins, so that the warm prompt still begins as the cold one."""
    cold = [task([0, 1, 2, 3, 4]), task([5, 6, 7])]
    warm = [task([0, 1, 2, 3, 9, 9]), task([5, 6, 9, 9, 9])]
    wave = Wave.of(cold, warm)
    assert [each.prompt.tolist() for each in wave.cold] == [[2, 3, 4], [5, 6, 7]]
    assert [each.prompt.tolist() for each in wave.warm] == [[2, 3, 9, 9], [5, 6, 9, 9]]


def test_memory_grows_from_the_second_tenth_on() -> None:
    """What fills in the first is what may be kept."""
    assert Resident(1000, (10.0, 100.0, 99.0, 104.0)).growth == pytest.approx(0.04)


def test_a_rate_is_of_all_waves() -> None:
    """Pages over seconds, not a mean of rates."""
    rate = Rate()
    assert rate.per_s is None
    rate.add(8, 1.0)
    rate.add(8, 3.0)
    assert rate.per_s == 4.0


def test_time_inside_graphs_is_counted_by_part_and_nothing_is_left_behind() -> None:
    """What the trunk runs before the first score is the prompt's; afterwards runs are as before."""
    run = Binding.run

    class Silent:
        def run_with_iobinding(self, _: object) -> None:
            """Nothing to run."""

        def io_binding(self) -> None:
            """Nothing to bind."""

    trunk, head = Binding(Silent()), Binding(Silent())
    trunk._held[EMBEDDINGS] = Mapped(np.zeros((1, 5, 4), np.float32))
    with Inside.watched() as inside:
        for binding in (trunk, trunk, head, trunk, head):
            binding.run()
    assert Binding.run is run
    assert [(each.runs, each.tokens) for each in (inside.prompt, inside.passes, inside.head)] == [
        (2, 10),
        (1, 5),
        (2, 0),
    ]
    assert inside.seconds > 0
    trunk.run()
    assert inside.passes.runs == 1


def test_the_roof_is_the_higher_of_two() -> None:
    """A run of few tokens waits for the weights, one of many for the multiplications."""
    rates = {"multiplied_per_s": 10_000.0, "read_per_s": 10_000.0}
    roof = Roof(multiplications=100, finishing=10, bytes=1_000, **rates)
    assert roof.least_ms(runs=1, tokens=2) == pytest.approx(100.0)
    # Of a run's tokens one is finished.
    assert roof.least_ms(runs=1, tokens=50) == pytest.approx(451.0)
    assert roof.least_ms(runs=2, tokens=50) == pytest.approx(452.0)
