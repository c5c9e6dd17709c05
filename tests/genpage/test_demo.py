"""``genpage demo``: what its stages are made from, and how it ends before its time."""

import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from genpage.cli import main
from genpage.cli.demo import Demo
from genpage.cli.stage import Stage
from genpage.hold import LOCK, held

# Runs the demo with a stage of our own in place of a command of GenPage.
_DEMO = "import sys; sys.executable = sys.argv.pop(); from genpage.cli import main; main()"
_STAGE = "#!/bin/sh\necho begun\nexec sleep 600\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_running_stage_too(tmp_path: Path, number: int) -> None:
    """The stage's end closes the pipe that it writes to; the code is the documented 1."""
    stage = tmp_path / "stage"
    stage.write_text(_STAGE)
    stage.chmod(0o755)
    command = (sys.executable, "-c", _DEMO, "demo", "--dir", str(tmp_path / "demo"), "--port", "0")
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - our own command
        (*command, str(stage)), stdout=pipe, stderr=pipe, cwd=tmp_path
    ) as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline() == b"begun\n"
        demo.send_signal(number)
        out, err = demo.communicate(timeout=30)
    assert (demo.returncode, out) == (1, b"")
    assert err.endswith(b"genpage: interrupted\n")
    assert b"Traceback" not in err


@pytest.mark.parametrize(
    ("command", "flag", "said"),
    [
        (["demo", "--port", "0"], "--dir", "in use by another demo; give each demo its own"),
        (["train", "recipe", "--data", "{data}"], "--out", "in use by another recipe"),
    ],
)
def test_a_folder_is_made_by_one_at_a_time(
    command: list[str], flag: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second one is told so in a sentence, and writes nothing; the first is not disturbed."""
    data, folder = tmp_path / "data", tmp_path / "made"
    for day in range(1, 12):
        for kind in ("events", "impressions"):
            (data / kind).mkdir(parents=True, exist_ok=True)
            (data / kind / f"2026-01-{day:02}.parquet").touch()
    with held(folder, "--dir", "demo"):
        with pytest.raises(SystemExit) as ended:
            main([each.format(data=data) for each in command] + [flag, str(folder)])
        assert ended.value.code == 2
        told = " ".join(capsys.readouterr().err.split())
        assert f"{flag} {folder} is {said}" in told
        assert "Traceback" not in told
        assert [path.name for path in folder.iterdir()] == [LOCK]


def test_an_edit_that_decides_nothing_trains_nothing_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The demo and the server are run by no stage; the rules are behind all of them."""
    spec = find_spec("genpage")
    assert spec is not None
    assert spec.origin is not None
    package, edited = Path(spec.origin).parent, list[Path]()
    read = Path.read_bytes

    def read_edited(path: Path) -> bytes:
        return read(path) + b"#" if path in edited else read(path)

    monkeypatch.setattr(Path, "read_bytes", read_edited)
    stage = Stage("simulate", tmp_path / "data", ("simulate",), ("genpage",))
    before = stage.fingerprint
    edited += [package / "cli" / "demo.py", package / "cli" / "serve.py"]
    assert stage.fingerprint == before
    edited.append(package / "rules.py")
    assert stage.fingerprint != before


def test_what_is_served_was_post_trained(tmp_path: Path) -> None:
    """Each stage is made from the ones before: the bundle's checkpoint is no pretrained one."""
    stages = Demo(dir=tmp_path, port=0).stages()
    assert [stage.out.name for stage in stages] == ["data", "pretrained", "checkpoint", "bundle"]
    assert stages[2].words[:2] == ("train", "wbc")
    assert stages[2].words[stages[2].words.index("--from") + 1] == str(stages[1].out)
    for stage in stages[1:3]:  # shorter than the recipe: somebody waits
        assert int(stage.words[stage.words.index("--steps") + 1]) < 250
    assert stages[3].words[:2] == ("export", str(stages[2].out))
