"""Packed weights: where they are written, what they take, and that nothing of them stays."""

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from genpage.errors import BundleError
from genpage.hold import LOCK
from runtime.bundle import Bundle
from runtime.model import LoadedModel, LoadSettings
from runtime.packing import free_bytes, is_in_memory, packing_folder, written_bytes
from runtime.sessions import SessionSettings, write_packed

LANED = (1, 2, 4)


def settings(packed: Path) -> LoadSettings:
    """Of a server with lanes."""
    return LoadSettings(4, SessionSettings(1), 4, packed=packed)


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_a_bundle_is_packed_where_it_is_told_to(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nowhere else; the file has no name any more once it is loaded."""
    seen: list[tuple[Path, int]] = []

    def packing(graph: Path, session: SessionSettings, folder: Path) -> Path:
        packed = write_packed(graph, session, folder)
        seen.append((folder.parent, sum(file.stat().st_size for file in folder.iterdir())))
        return packed

    monkeypatch.setattr("runtime.trunk_sessions.write_packed", packing)
    bundle: Path = request.getfixturevalue(f"{name}_bundle")
    model = LoadedModel.load(bundle, settings(tmp_path / "state" / "packed"))
    ((where, written),) = seen
    assert where == tmp_path / "state" / "packed"
    assert list(where.iterdir()) == []
    # Of so small a trunk the graph itself, which is no weight, is most.
    graph = (bundle / "trunk.onnx").stat().st_size
    assert written <= written_bytes(model.manifest, LANED) + 3 * graph
    assert written_bytes(model.manifest, (1,)) == 0


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    """By whoever packs next; what somebody still packs, and what was never ours, stays."""
    code = (
        "import sys; from pathlib import Path; from runtime.packing import packing_folder\n"
        "with packing_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'weights').touch()\n"
        "    print(folder.name, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        theirs = tmp_path / process.stdout.readline().strip()
        (tmp_path / "other").mkdir()
        with packing_folder(tmp_path) as own:
            assert set(tmp_path.iterdir()) == {theirs, own, tmp_path / "other"}
        process.kill()
    assert (theirs / LOCK).is_file()
    with packing_folder(tmp_path) as own:
        assert set(tmp_path.iterdir()) == {own, tmp_path / "other"}
    assert set(tmp_path.iterdir()) == {tmp_path / "other"}


def test_where_nothing_can_be_written_is_told(int8_bundle: Path, tmp_path: Path) -> None:
    """With the setting that helps."""
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match="--state-dir"):
        LoadedModel.load(int8_bundle, settings(tmp_path / "file"))


def test_room_is_that_of_the_nearest_folder_there_is(tmp_path: Path) -> None:
    """It is made only when something is written."""
    free = free_bytes(tmp_path / "not" / "yet")
    assert free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)


def test_a_file_system_in_memory_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The innermost mount counts."""
    inner = tmp_path / "inner"
    inner.mkdir()

    class Mount:
        """As psutil tells of it."""

        def __init__(self, mountpoint: Path, fstype: str) -> None:
            self.mountpoint, self.fstype = str(mountpoint), fstype

    mounts = [Mount(Path("/"), "overlay"), Mount(inner, "ext4"), Mount(tmp_path, "tmpfs")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    assert is_in_memory(tmp_path)
    assert is_in_memory(tmp_path / "not" / "yet")
    assert not is_in_memory(inner)
    assert not is_in_memory(Path("/"))


def test_bytes_are_of_the_trunk(int8_bundle: Path) -> None:
    """Its weights as the manifest tells them, as read and as packed."""
    manifest = Bundle.open(int8_bundle).manifest
    trunk = manifest.files["trunk.onnx.data"].bytes + manifest.files["trunk.onnx"].bytes
    assert written_bytes(manifest, LANED) == 2 * trunk
