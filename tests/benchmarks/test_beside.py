"""Peers beside: a process each, told and left out where it is not installed."""

import sys
from pathlib import Path

import pytest

from benchmarks.peers.beside import beside
from benchmarks.peers.known import KNOWN
from genpage.cli import main


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
