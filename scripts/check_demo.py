"""Run ``make demo`` as a newcomer would, twice, and hold it to what the README says.

The first run builds everything and serves a page row by row: 240 s are promised, a run beyond is
told as "over the promised 240 s", and one beyond 480 s fails. The second must be up within five
seconds: a machine with neighbours misses that at times, so up to three second runs are made, the
best of them holds the promise, and every time is told. Ctrl-C must end each in good order and leave
nothing behind.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from genpage.hold import LOCK

# What is promised, and twice that: a machine with neighbours is slower by as much, and a check that
# fails for them is soon ignored. A broken promise is printed.
FIRST_RUN_S = 4 * 60.0
FIRST_RUN_MOST_S = 8 * 60.0
SECOND_RUN_S = 5.0
# A second run changes nothing, so that another one is a second run too.
SECOND_RUNS = 3
# A demo that is still not up by then hangs.
HANGS_S = 15 * 60.0
# What a demo has to end after Ctrl-C: it finishes its pages within 10 s.
ENDS_S = 20.0
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@dataclass(frozen=True, slots=True)
class Running:
    """A demo that serves."""

    address: str
    seconds: float


@contextmanager
def demo() -> Iterator[Running]:
    """``make demo`` until it prints its address; interrupted like Ctrl-C at the end."""
    begun = time.monotonic()
    process = subprocess.Popen(
        ["make", "demo"],  # noqa: S607 - make of this machine's PATH, as a person calls it
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "GENPAGE_PORT": "0"},
    )
    guard = threading.Timer(HANGS_S, os.killpg, (process.pid, signal.SIGKILL))
    guard.start()
    rest = Rest(process)
    try:
        running = Running(_address(process), time.monotonic() - begun)
        rest.start()
        yield running
    finally:
        guard.cancel()
        wrong = _ended(process, rest)
    if wrong is not None:
        raise SystemExit(f"make demo {wrong}")


class Rest(threading.Thread):
    """Reads what comes after the address: a full pipe would stop the demo."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        super().__init__(daemon=True)
        self._process, self.text = process, ""

    def run(self) -> None:
        """Until the demo's last process has closed its end."""
        assert self._process.stdout is not None
        self.text = self._process.stdout.read()


def _ended(process: "subprocess.Popen[str]", rest: Rest) -> str | None:
    """End the demo as Ctrl-C does, or by force; what was wrong with how it ended.

    The signal goes to what make runs and not to make, which would end by it whatever became of its
    command: so it ends with 0 where the demo did, and with 2 where that failed.
    """
    assert process.stdout is not None
    ended_before, wrong = process.poll() is not None, None
    if not ended_before:
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGINT)
        try:
            process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            wrong = f"did not end within {ENDS_S:g} s of Ctrl-C, and was killed"
    if _killed(process.pid) and wrong is None:
        wrong = "left a process behind, which was killed"
    status = exit_status(process.wait())
    if rest.is_alive():
        rest.join()
    process.stdout.close()
    if wrong is None and (ended_before or status != 0):
        wrong = f"ended with {status}"
    if wrong is not None:
        sys.stdout.write(rest.text)  # its last words
    return wrong


def exit_status(returncode: int) -> int:
    """As a shell tells it: 128 and the number of the signal that ended a process."""
    return returncode if returncode >= 0 else 128 - returncode


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        sys.stdout.write(line)
        if found := ADDRESS.search(line):
            return found.group()
    raise SystemExit("make demo ended without printing an address")


def _killed(group: int) -> bool:
    """Kill what is left of a process group; whether there was anything."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def page(address: str) -> None:
    """A 10 x 20 page arrives row by row, says why each is there, and the homepage is there."""
    assert "<html" in httpx.get(address).text
    body = {"user_id": "a-stranger", "rows": 10, "entities_per_row": 20}
    headers = {"accept": "text/event-stream"}
    with httpx.stream("POST", f"{address}/v1/pages", json=body, headers=headers, timeout=60) as got:
        lines = list(got.iter_lines())
    events = [line for line in lines if line.startswith("event:")]
    assert events == ["event: page.start", *["event: row"] * 10, "event: page.end"], events
    [page_id] = {line.split(":")[1].strip() for line in lines if line.startswith("id:")}
    why = httpx.get(f"{address}/v1/pages/{page_id}/why").json()
    # What the moment says of titles was learnt, and speaks for the page's first row.
    assert why["told"], why
    assert why["rows"][0]["grounds"], why


def second_runs(run: Callable[[], float]) -> list[float]:
    """The seconds of second runs, made until one is as fast as promised, or the last one."""
    seconds: list[float] = []
    while len(seconds) < SECOND_RUNS and min(seconds, default=float("inf")) > SECOND_RUN_S:
        seconds.append(run())
    return seconds


def second_run() -> float:
    """How long a demo took to serve a page; seconds."""
    with demo() as running:
        page(running.address)
    return running.seconds


def verdict(first: float, seconds: Sequence[float]) -> str:
    """The times of all runs beside what is promised, a line; seconds."""
    told = f"within the promised {FIRST_RUN_S:.0f} s"
    if first > FIRST_RUN_S:
        told = f"over the promised {FIRST_RUN_S:.0f} s"
    others = ", ".join(f"{each:.1f} s" for each in seconds)
    best = "" if len(seconds) == 1 else ", the best of which counts"
    return f"first run {first:.0f} s, {told}; second run {others}{best}, of {SECOND_RUN_S:.0f} s\n"


def main() -> None:
    """The first run and the second, and their times."""
    with demo() as first:
        page(first.address)
    seconds = second_runs(second_run)
    expected = {"data", "pretrained", "checkpoint", "bundle"}
    kept = expected | {f"{name}.inputs" for name in expected} | {LOCK}
    leftovers = [str(path) for path in Path("var/demo").iterdir() if path.name not in kept]
    assert not leftovers, leftovers
    sys.stdout.write(verdict(first.seconds, seconds))
    if first.seconds > FIRST_RUN_MOST_S:
        raise SystemExit(
            f"the first run took over {FIRST_RUN_MOST_S:.0f} s, twice what is promised"
        )
    if min(seconds) > SECOND_RUN_S:
        raise SystemExit(f"no second run was up within {SECOND_RUN_S:.0f} s")


if __name__ == "__main__":
    main()
