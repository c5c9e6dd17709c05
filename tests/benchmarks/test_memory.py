"""The benchmarks of memory and lanes, on the tiny bundle: figures that hold at any size."""

from typing import Any

import pytest
from tiny import tiny_bundle

from benchmarks import lanes, memory
from runtime.sessions import SessionSettings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Sixty cold members, eight kept warm."""
    report = memory.report(
        tiny_bundle("int8", random=False), members=60, rows=3, threads=1, warm=8, kv_bytes=1 << 30
    )
    return report.document


def test_cold_members_add_nothing(document: dict[str, Any]) -> None:
    """Once as many are warm as may be, KV stays what it is, and so does resident memory."""
    steps = document["steps"]
    assert [step["members"] for step in steps] == [0, *range(6, 61, 6)]
    # Prompts differ in length; of so many the longest bounds all.
    longest = 800 * document["token_kv_bytes"] / (1 << 20)
    assert all(step["kv"] <= (8 + 8) * longest for step in steps)
    assert document["rss_growth"] < 0.05


def test_being_ready_again_is_not_slower(document: dict[str, Any]) -> None:
    """The golden pages are not made again."""
    assert document["ready_s"]["again"] < document["ready_s"]["first"]


def test_memory_is_bounded_by_bytes() -> None:
    """However many members may be warm."""
    report = memory.report(
        tiny_bundle("int8", random=False), members=20, rows=2, threads=1, warm=64, kv_bytes=1 << 20
    )
    steps: list[dict[str, float]] = report.document["steps"]  # type: ignore[assignment]  # JSON
    assert max(step["kv"] for step in steps) <= 1.0


def test_lanes_are_compared_with_passes_of_their_own() -> None:
    """Every number of lanes and every length."""
    settings = SessionSettings(1)
    told = lanes.report(tiny_bundle("int8", random=False), settings=settings, past=20, rounds=1)
    ms: Any = told.document["ms"]
    assert {(size, count) for size, row in ms.items() for count in row} == {
        (str(size), count) for size in lanes.TOKENS for count in ("2", "4", "8")
    }
