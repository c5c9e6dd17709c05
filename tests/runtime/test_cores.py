"""Cores: whose they are, and that threads stay on them."""

import os
import threading

import pytest
from workers import running

from runtime.cores import Cores, available, started_on, stay
from runtime.engine import Engine
from runtime.worker import Worker

linux = pytest.mark.skipif(not available(), reason="this platform does not say")


@pytest.mark.parametrize(
    ("cores", "threads", "expected"),
    [
        ((0, 1, 2, 3), 3, Cores((0, 1, 2), (3,))),
        ((5, 2, 9), 1, Cores((2,), (5, 9))),
        ((0, 1), 0, Cores()),
        ((0, 1), 2, Cores()),
        ((0, 1), 8, Cores()),
        ((), 1, Cores()),
    ],
)
def test_the_model_gets_the_first_and_the_loop_the_rest(
    cores: tuple[int, ...], threads: int, expected: Cores
) -> None:
    """Where the model's threads leave any."""
    assert Cores.apart(cores, threads) == expected


def on_a_thread(work: object) -> set[int]:
    """The cores of a thread once it has done this."""
    seen: list[set[int]] = []

    def body() -> None:
        assert callable(work)
        work()
        seen.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return seen[0]


@linux
def test_a_thread_stays_where_it_is_told_to() -> None:
    """And nobody else does; without cores it runs anywhere."""
    all_of_them = set(available())
    last = max(all_of_them)
    assert on_a_thread(lambda: stay((last,))) == {last}
    assert on_a_thread(lambda: stay(())) == all_of_them == set(available())


@linux
def test_threads_started_for_the_model_stay_on_its_cores() -> None:
    """Who starts them goes on where it was."""
    all_of_them, last = set(available()), max(available())
    with started_on((last,)):
        assert on_a_thread(lambda: None) == {last}
    assert on_a_thread(lambda: None) == all_of_them
    with started_on(()):
        assert on_a_thread(lambda: None) == all_of_them


@linux
async def test_the_engine_runs_on_the_models_cores() -> None:
    """The loop's thread is left alone."""
    last = max(available())
    seen: list[set[int]] = []

    class Looking(Engine):
        """Says where it runs."""

        @property
        def busy(self) -> bool:
            seen.append(os.sched_getaffinity(0))
            return False

    worker = Worker(Looking(), (last,))
    worker.start()
    await worker.close()
    assert seen[0] == {last}
    assert set(available()) >= {last}


async def test_cores_that_are_gone_are_no_harm() -> None:
    """Cores that the machine does not have: the thread runs wherever it may."""
    if not available():
        return
    assert on_a_thread(lambda: stay((10_000,))) == set(available())
    async with running() as worker:
        assert worker.alive
