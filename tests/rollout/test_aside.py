"""What is done aside: where it runs, how it gives way, and that it holds nobody up."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest
from kafka_clients import until

from rollout.aside import SWITCH_S, Aside


async def test_what_is_raised_is_the_callers_and_calm_work_is_done_one_at_a_time() -> None:
    """Results too; never on the loop's thread."""
    aside = Aside()
    assert await aside.run(threading.get_native_id) != threading.get_native_id()
    with pytest.raises(ValueError, match="invalid literal"):
        await aside.run(int, "x")
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.01)
        inside -= 1

    await asyncio.gather(*(aside.run_calmly(work) for _ in range(4)))
    assert most == 1
    aside.close()
    with pytest.raises(RuntimeError, match="closed"):
        await aside.run(work)


async def test_turns_are_as_long_as_before_once_the_last_has_ended() -> None:
    """Whoever began first, of whichever, and though its caller was cancelled."""
    usual = sys.getswitchinterval()
    release = [threading.Event(), threading.Event()]
    tasks = []
    for event in release:
        tasks.append(asyncio.create_task(Aside().run(event.wait)))
        await until(lambda: sys.getswitchinterval() == pytest.approx(SWITCH_S))
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
    release[0].set()
    release[1].set()
    await tasks[1]
    await until(lambda: sys.getswitchinterval() == pytest.approx(usual))


SLOW = """
import asyncio, time
from rollout.aside import Aside

async def main():
    aside = Aside()
    for run in (aside.run, aside.run_calmly):
        asyncio.create_task(run(time.sleep, 60.0))
    await asyncio.sleep(0.1)
    aside.close()

asyncio.run(main())
"""
STUCK = """
import threading, time
from api.last_resort import end_within
from api.logs import configure

end_within(0.2, configure())
threading.Thread(target=time.sleep, args=(60.0,)).start()
"""


def test_the_process_ends_without_it() -> None:
    """What is loaded or tried out when the end comes does not hold it up."""
    command = [sys.executable, "-c", SLOW]
    ended = subprocess.run(command, check=False, timeout=30)  # noqa: S603 - our own
    assert ended.returncode == 0


def test_the_process_ends_in_time_whatever_holds_it() -> None:
    """With exit code 0, and a word about it."""
    command = [sys.executable, "-c", STUCK]
    ended = subprocess.run(  # noqa: S603 - our own
        command, check=False, timeout=30, capture_output=True, text=True
    )
    assert ended.returncode == 0
    assert "takes too long" in ended.stderr
