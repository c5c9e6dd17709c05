"""Files that are replaced whole or not at all."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from genpage.staging import write_whole

# Replaces a file, and dies in the middle of its N-th call of the kernel's that matters.
_KILLED = """
import os, sys
from pathlib import Path
from genpage.staging import replacing
left = int(sys.argv[2])
def dying(call):
    def called(*args, **how):
        global left
        left -= 1
        if not left:
            os._exit(9)
        return call(*args, **how)
    return called
os.fsync, Path.replace = dying(os.fsync), dying(Path.replace)
with replacing(Path(sys.argv[1])) as unfinished:
    unfinished.write_bytes(b"new")
    dying(lambda: None)()
"""


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_a_process_killed_at_any_step_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, step: int
) -> None:
    """While writing, before its bytes are on the disk, before the rename, before the folder's."""
    file = tmp_path / "state"
    write_whole(file, b"old")
    command = [sys.executable, "-c", _KILLED, str(file), str(step)]
    killed = subprocess.run(command, check=False)  # noqa: S603 - our own code
    assert killed.returncode == (9 if step < 5 else 0)
    assert file.read_bytes() == (b"old" if step < 4 else b"new")
    # The next one is not hindered by what was left.
    write_whole(file, b"next")
    assert file.read_bytes() == b"next"
    assert list(tmp_path.iterdir()) == [file]


def test_its_bytes_reach_the_disk_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut could leave an empty file under a name that promises a whole one."""
    calls: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        calls.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        calls.append(f"rename {path.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    write_whole(tmp_path / "folder" / "state", b"new")
    beside = ".state.unfinished"
    assert calls == [f"fsync {beside}", f"rename {beside}", "fsync folder"]


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Wherever the disk says so; the error is the kernel's own."""
    file = tmp_path / "state"
    write_whole(file, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    where, name = {
        "write": (Path, "write_bytes"),
        "fsync": (os, "fsync"),
        "rename": (Path, "replace"),
    }[step]
    monkeypatch.setattr(where, name, full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, b"new")
    monkeypatch.undo()
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_may_not_grow_is_not_half_written(tmp_path: Path) -> None:
    """The kernel refuses in the middle of it, as a quota does: what was there stays."""
    file = tmp_path / "state"
    write_whole(file, b"old")
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_whole(file, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]
