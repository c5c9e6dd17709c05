"""Folders of one process alone: no second one takes them, and what a crash left is cleared."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka_clients import until
from replicas import Start

from genpage.errors import UsageError
from genpage.hold import LOCK, Hold
from rollout.fetch import Fetcher
from rollout.holding import clear_temporary, state_folder, temporary_folder
from rollout.source import Sources

HOLDER = """
import sys
from pathlib import Path
from genpage.hold import Hold

assert Hold.take(Path(sys.argv[1])) is not None
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Holds a folder until it is killed."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(  # noqa: S603 - our own
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def serve(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """A server that ends by itself, since it does not start."""
    command = [sys.executable, "-m", "genpage", "serve", "--port", "0", *map(str, arguments)]
    return subprocess.run(  # noqa: S603 - our own
        command, check=False, timeout=90, capture_output=True, text=True
    )


def test_a_second_server_refuses_a_state_folder_that_is_in_use(tmp_path: Path) -> None:
    """In one line that says what to do, as a wrong use, before it wrote anything there."""
    state = tmp_path / "state"
    with another_process(state):
        ended = serve("--state-dir", state)
        assert ended.returncode == 2
        message = f"genpage: --state-dir {state} is in use by another server; give each server its"
        assert ended.stderr.startswith(message)
        assert len(ended.stderr.splitlines()) == 1
        assert {entry.name for entry in state.iterdir()} == {LOCK}


def test_a_folder_is_free_again_however_its_holder_ended(tmp_path: Path) -> None:
    """Killed, or gone on to something else."""
    with another_process(tmp_path) as process:
        with pytest.raises(UsageError, match="in use"), state_folder(tmp_path):
            pass
        process.kill()
        process.wait()
        with state_folder(tmp_path), pytest.raises(UsageError), state_folder(tmp_path):
            pass
        with state_folder(tmp_path):
            pass


def test_what_a_crash_left_half_written_is_cleared(tmp_path: Path) -> None:
    """What has its name, and what is not ours, stays."""
    for name in ("active.json", ".active.json.17", ".refused.json.4", ".active.json.mine"):
        (tmp_path / name).write_text("{}")
    with state_folder(tmp_path):
        left = {entry.name for entry in tmp_path.iterdir()}
    assert left == {LOCK, "active.json", ".active.json.mine"}


def test_a_state_folder_that_cannot_be_one_is_said_by_its_flag(tmp_path: Path) -> None:
    """A file, or a folder below one."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "state"):
        with pytest.raises(UsageError, match=f"--state-dir {folder}"), state_folder(folder):
            pass


def test_temporary_folders_of_servers_that_are_gone_are_cleared(tmp_path: Path) -> None:
    """One that somebody holds stays, and so does what was never ours."""
    names = [temporary_folder().name for _ in range(3)]
    gone, alive, not_ours = (tmp_path / name for name in names)
    elsewhere = tmp_path / "elsewhere"
    for folder in (gone, elsewhere):
        hold = Hold.take(folder)
        assert hold is not None
        hold.release()
    (gone / "bundle.part").mkdir()
    not_ours.mkdir()
    linked = tmp_path / temporary_folder().name
    linked.symlink_to(elsewhere)
    with another_process(alive):
        clear_temporary(tmp_path)
        assert set(tmp_path.iterdir()) == {alive, not_ours, elsewhere, linked}
        assert (elsewhere / LOCK).is_file()
    clear_temporary(tmp_path)
    assert not alive.exists()


async def test_a_server_clears_up_as_it_starts_and_as_it_ends(start: Start, tmp_path: Path) -> None:
    """What others left; its own is held meanwhile."""
    gone, own = (tmp_path / temporary_folder().name for _ in range(2))
    hold = Hold.take(gone)
    assert hold is not None
    hold.release()
    replica = await start(staging=own)
    await until(lambda: not gone.exists())
    assert Hold.take(own) is None
    await replica.rollout.__aexit__()
    assert not own.exists()


def test_a_removal_that_was_cut_off_is_done(tmp_path: Path) -> None:
    """What was fetched, and what is arriving, stays."""
    for name in ("a" * 64 + ".gone", "b" * 64, "c" * 64 + ".part", "mine.gone"):
        (tmp_path / name).mkdir()
    Fetcher(tmp_path, Sources()).clear()
    left = {entry.name for entry in tmp_path.iterdir()}
    assert left == {"b" * 64, "c" * 64 + ".part", "mine.gone"}
