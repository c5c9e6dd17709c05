"""The flags of ``genpage collect`` and of ``simulate --from-pages``."""

from pathlib import Path

import pytest

from genpage.cli.collect import Collect, moment, seconds
from genpage.cli.simulate import Simulate
from genpage.errors import UsageError
from genpage.hold import Hold


@pytest.mark.parametrize(
    ("text", "wanted"), [("90s", 90.0), ("1.5m", 90.0), ("24h", 86_400.0), (" 2d ", 172_800.0)]
)
def test_durations(text: str, wanted: float) -> None:
    """A number and its unit."""
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["24", "h", "-1h", "0m", "1w", ""])
def test_what_is_no_duration(text: str) -> None:
    """Said by the flag's name."""
    with pytest.raises(UsageError, match="--window"):
        seconds(text)


def test_moments() -> None:
    """ISO 8601, UTC where no zone is named."""
    assert moment(None) is None
    assert moment("2026-01-31T12:00:00Z") == moment("2026-01-31 12:00") == 1_769_860_800.0
    assert moment("2026-01-31T12:00:00+02:00") == 1_769_860_800.0 - 7_200
    assert (moment("now") or 0.0) > 1.7e9
    with pytest.raises(UsageError, match="--until"):
        moment("tomorrow")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match="--kafka"):
        Collect(out=tmp_path).run()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="a file"):
        Collect(out=tmp_path / "file", kafka="localhost:1").run()
    with pytest.raises(UsageError, match=r"catalog\.json"):
        Collect(out=tmp_path / "out", kafka="localhost:1", bundle=tmp_path).run()
    with pytest.raises(UsageError, match="--out"):
        Simulate().run()
    with pytest.raises(UsageError, match="--data"):
        Simulate(from_pages=True, kafka="localhost:1").run()


def test_a_second_collect_on_a_folder_is_refused(tmp_path: Path) -> None:
    """In words that name the flag, and nothing of the first one's half-written day is touched."""
    part, unfinished = tmp_path / ".parts" / "000000.parquet", tmp_path / ".rows.parquet.unfinished"
    part.parent.mkdir()
    first = Hold.take(tmp_path)
    assert first is not None
    for file in (part, unfinished):
        file.touch()
    second = Collect(out=tmp_path, kafka="localhost:1", bundle=tmp_path / "none")
    with pytest.raises(UsageError, match=f"--out {tmp_path} is in use by another collect"):
        second.run()
    assert part.exists()
    assert unfinished.exists()
    first.release()
    with pytest.raises(UsageError, match="--bundle"):
        second.run()
    assert not part.exists()
    assert not unfinished.exists()
