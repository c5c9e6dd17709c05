"""Who has said nothing for long, and what each says again meanwhile."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kafka_clients import until
from replicas import Start

from rollout.active import ActiveBundle
from rollout.silence import REPEAT_S, in_words, is_silent


@pytest.mark.parametrize(
    ("said_at", "silent", "words"),
    [
        (1_000.0, False, "0 s ago"),
        (1_005.0, False, "0 s ago"),  # by a clock that goes ahead
        (1_000.0 - REPEAT_S, False, "60 s ago"),
        (700.0, True, "silent for 5 min"),
        (None, False, ""),
        ("now", False, ""),
    ],
)
def test_several_turns_missed_are_silence(said_at: object, silent: bool, words: str) -> None:
    """One is not: a broker may be away for a moment."""
    status = {"replica": "r", "said_at": said_at}
    assert (is_silent(status, 1_000.0), in_words(status, 1_000.0)) == (silent, words)


async def test_what_is_said_again_is_what_stands_now(
    start: Start, another: Callable[[], Path], tmp_path: Path
) -> None:
    """After a restart the earlier bundle comes back later than what was said of the start."""
    state = tmp_path / "state"
    replica = await start(state_dir=state)
    assert replica.rollout.standing is None
    before, bundle = replica.active, another()
    await replica.take(bundle)
    await until((state / "active.json").exists)
    remembered = ActiveBundle.recall(state, replica.logbook.logger())
    assert remembered is not None
    restarted = await start(bundle=bundle, state_dir=state, remembered=remembered)
    restarted.rollout.announce_start()
    (told,) = restarted.statuses

    def stands() -> bool:
        standing = restarted.rollout.standing
        assert standing is not None
        assert (standing.event, standing.at) == (told.event, told.at)
        return standing.previous is not None and standing.previous.version == before

    await until(stands)
    assert len(restarted.rollout.statuses) == 1
