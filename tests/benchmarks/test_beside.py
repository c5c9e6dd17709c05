"""Peers beside: a process each, told and left out where it is not installed."""

import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks.engine import catalog_of, grammars
from benchmarks.peers.beside import beside
from benchmarks.peers.company import Company
from benchmarks.peers.conversion import made_of
from benchmarks.peers.known import KNOWN
from benchmarks.peers.orders import LIMITS_S, Meet
from benchmarks.peers.task import PageTask
from genpage.cli import main

NOTHING = np.zeros(0, np.int32)
TASK = PageTask(np.ones(3, np.int32), grammars(catalog_of(50), 1)[0], 1, 0, NOTHING, NOTHING)
# A peer by its protocol, whose library is this file.
PEER = f"""#!{sys.executable}
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from benchmarks.peers.orders import Load, Met, Prepare
from benchmarks.peers.peer import Batched, Decoded
folder = Path(sys.argv[0]).parent
connection = Connection(int(sys.argv[4]))
while True:
    order = connection.recv()
    name = type(order).__name__
    with (folder / "orders").open("a") as told:
        told.write(name + "\\n")
    if (folder / f"dies at {{name}}").exists():
        raise SystemExit("no memory")
    answers = {{
        "Meet": Met("a peer", "fp32", True, (folder / "version").read_text()),
        "DecodePage": Decoded((1,), 1.0, 1.0),
        "DecodeBatch": Batched(1, 1, 1.0, 1.0),
    }}
    connection.send(answers.get(name))
"""


def test_a_peer_that_is_not_installed_is_told_and_left_out(tmp_path: Path) -> None:
    """The project's own environment has none of them; nothing is converted for those."""
    python = Path(sys.executable)
    with beside(python, tmp_path / "llama", tmp_path / "work", 1, ("genai-blocks",)) as there:
        assert there.present == ()
        assert there.absent == {"genai-blocks": f"onnxruntime-genai is not installed for {python}"}
    assert list((tmp_path / "work").iterdir()) == []


def test_a_python_that_cannot_run_a_peer_is_told(tmp_path: Path) -> None:
    """With what it said last."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such thing >&2\nexit 1\n")
    broken.chmod(0o755)
    with beside(broken, tmp_path / "llama", tmp_path / "work", 1, ("openvino",)) as there:
        assert there.present == ()
        assert "no such thing" in there.absent["openvino"]


def executable(path: Path, text: str) -> Path:
    """A program."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_peer_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """In bounded time, and told."""
    script = f"#!/bin/sh\nsleep 600 & echo $! > {tmp_path}/child\nwait\n"
    stuck = executable(tmp_path / "python", script)
    limits = {**LIMITS_S, Meet: 1.0}
    with beside(stuck, tmp_path / "llama", tmp_path / "work", 1, ("openvino",), limits) as there:
        assert there.present == ()
        assert "did not answer in 1 s" in there.absent["openvino"]
    child = int((tmp_path / "child").read_text())
    try:
        process = psutil.Process(child)
        assert process.status() == psutil.STATUS_ZOMBIE or process.wait(10) is None
    except psutil.NoSuchProcess:
        pass


def test_a_conversion_is_kept_for_the_version_that_made_it(tmp_path: Path) -> None:
    """Another version of the library converts anew, the same one does not."""
    python = executable(tmp_path / "python", PEER)
    for version in ("1.0", "1.0", "2.0"):
        (tmp_path / "version").write_text(version)
        with beside(python, tmp_path / "llama", tmp_path / "work", 1, ("openvino",)) as there:
            assert there.absent == {}
    orders = (tmp_path / "orders").read_text().split()
    assert orders == ["Meet", "Prepare", "Load", "Meet", "Load", "Meet", "Prepare", "Load"]
    assert made_of(KNOWN["openvino"].source) != made_of(KNOWN["llama.cpp"].source)


def test_a_peer_that_ended_is_started_anew_with_its_model(tmp_path: Path) -> None:
    """What ended it at a page does not end it at a batch."""
    python = executable(tmp_path / "python", PEER)
    (tmp_path / "version").write_text("1.0")
    (tmp_path / "dies at DecodePage").touch()
    with beside(python, tmp_path / "llama", tmp_path / "work", 1, ("openvino",)) as there:
        company = Company(there)
        company.decode(TASK, TASK)
        company.decode_together([TASK], [TASK])
        assert "no memory" in company.absent["openvino"]
        assert company.absent_together == {}
        assert company.together["openvino"].cold.per_s == 1.0
    orders = (tmp_path / "orders").read_text().split()
    assert orders[3:] == ["DecodePage", "Load", "DecodeBatch", "DecodeBatch"]


@pytest.mark.parametrize("key", KNOWN)
def test_every_peer_has_a_module(key: str) -> None:
    """Named by text, so that nothing but this would notice."""
    root = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"
    source = (root / f"{KNOWN[key].module}.py").read_text()
    assert f"class {KNOWN[key].title}(" in source or f"class {KNOWN[key].title}:" in source


def test_peers_without_weights_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They decode a checkpoint's, which the command has to name."""
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *("bench", "page", "--bundle", str(tmp_path), "--data", str(tmp_path)),
                *("--peers", sys.executable),
            ]
        )
    assert ended.value.code == 2
    assert "--checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "there is no file"),
        ("#!/bin/sh\necho hello\n", "is no Python interpreter"),
        ("no program at all", "is no Python interpreter"),
        ("#!/bin/sh\necho python 3 9\n", "is Python 3.9; peers need 3.11"),
    ],
)
def test_what_is_no_python_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], script: str | None, said: str
) -> None:
    """In one line, before anything is measured."""
    python = tmp_path / "python"
    if script is not None:
        executable(python, script)
    asked = ("--bundle", "--data", "--checkpoint")
    with pytest.raises(SystemExit) as ended:
        main(
            ["bench", "page", "--peers", str(python)]
            + [word for name in asked for word in (name, str(tmp_path))]
        )
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert str(python) in error
