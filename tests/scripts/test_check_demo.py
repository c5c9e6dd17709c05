"""The check of the demo, against a ``make`` that only pretends."""

import os
import runpy
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

# The script is no module: what it yields has no type here.
Demo = Callable[[], AbstractContextManager[Any]]
SCRIPT = Path(__file__).parents[2] / "scripts" / "check_demo.py"
# Serves nothing, and ends on Ctrl-C as it is told to.
MAKE = """#!{python}
import os, signal, sys, threading
how = os.environ["HOW"]
if how == "interrupt":
    end = lambda *_: (signal.signal(signal.SIGINT, signal.SIG_DFL), os.kill(os.getpid(), 2))
else:
    end = lambda *_: os._exit(int(how))
signal.signal(signal.SIGINT, end)
print("the homepage is at http://127.0.0.1:1", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """The script's context manager, over that ``make``."""
    make = tmp_path / "make"
    make.write_text(MAKE.format(python=sys.executable), "utf-8")
    make.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found: Demo = runpy.run_path(str(SCRIPT))["demo"]
    return found


@pytest.mark.parametrize("how", ["0", "2", "130", "interrupt"])
def test_an_interrupted_demo_may_say_so(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Done, make's failure after Ctrl-C, and the signal itself are all a good end."""
    monkeypatch.setenv("HOW", how)
    with demo() as running:
        assert running.address == "http://127.0.0.1:1"


@pytest.mark.parametrize("how", ["1", "137"])
def test_another_status_is_a_failure(demo: Demo, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """A demo that breaks on its way down does not pass unseen."""
    monkeypatch.setenv("HOW", how)
    with pytest.raises(SystemExit, match=f"ended with {how}"), demo():
        pass


@pytest.mark.parametrize(
    ("seconds", "told"), [(239.0, "within the promised 240 s"), (241.0, "over the promised 240 s")]
)
def test_a_broken_promise_is_told(seconds: float, told: str) -> None:
    """A slow first run may pass, but never without a word."""
    verdict: Callable[[float, float], str] = runpy.run_path(str(SCRIPT))["verdict"]
    assert told in verdict(seconds, 3.0)
