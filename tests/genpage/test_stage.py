"""Stages: what is kept, what is gone on with, what is made again, wherever a run was stopped."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from genpage.cli.stage import Stage, make_stages
from genpage.errors import GenPageError

CONSOLE = Console(quiet=True)


class Commands:
    """Takes the place of the processes: each writes what it was made from into its folder."""

    def __init__(self) -> None:
        self.run: list[str] = []
        self.fails: str | None = None

    def __call__(self, command: Sequence[str]) -> int:
        """As a training: its unfinished state stands beside until it is done."""
        words = list(command[3:])
        name, out = words[0], Path(words[words.index("--out") + 1])
        in_place = "--force" not in words
        self.run.append(name)
        unfinished = out if in_place else out.with_name(f"{out.name}.partial")
        unfinished.mkdir(exist_ok=True)
        steps = unfinished / "steps"
        steps.write_text((steps.read_text() if steps.exists() else "") + "x")
        if self.fails == name:
            return 1
        out.mkdir(exist_ok=True)
        (out / "made").write_text(steps.read_text())
        if not in_place:
            steps.unlink()
            unfinished.rmdir()
        return 0


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The fake processes."""
    fake = Commands()
    monkeypatch.setattr("genpage.cli.stage.run_command", fake)
    return fake


def stages(path: Path, first: str = "1") -> list[Stage]:
    """Three of them; the last goes on in its own folder."""
    return [
        Stage("first", path / "a", ("first", first)),
        Stage("second", path / "b", ("second", str(path / "a"))),
        Stage("third", path / "c", ("third", str(path / "b")), in_place=True),
    ]


@pytest.mark.parametrize("stopped", ["first", "second", "third"])
def test_a_stopped_run_goes_on_with_the_stage_that_it_was_in(
    commands: Commands, tmp_path: Path, stopped: str
) -> None:
    """Those before are kept, it goes on from its own state, those after are made once."""
    commands.fails = stopped
    with pytest.raises(GenPageError, match="stopped while making"):
        make_stages(stages(tmp_path), CONSOLE)
    commands.fails = None
    make_stages(stages(tmp_path), CONSOLE)
    names = ["first", "second", "third"]
    place = names.index(stopped)
    assert commands.run == [*names[: place + 1], *names[place:]]
    made = [(tmp_path / name / "made").read_text() for name in "abc"]
    assert made == ["xx" if name == stopped else "x" for name in names]
    make_stages(stages(tmp_path), CONSOLE)
    assert len(commands.run) == 4


@pytest.mark.parametrize("stopped", ["first", "second", "third", None])
def test_another_beginning_makes_everything_again(
    commands: Commands, tmp_path: Path, stopped: str | None
) -> None:
    """Also where the run was stopped in between: nothing that came of the old one is current."""
    make_stages(stages(tmp_path), CONSOLE)
    commands.fails = stopped
    if stopped is not None:
        with pytest.raises(GenPageError):
            make_stages(stages(tmp_path, "2"), CONSOLE)
        commands.fails = None
    commands.run.clear()
    make_stages(stages(tmp_path, "2"), CONSOLE)
    names = ["first", "second", "third"]
    assert commands.run == names[0 if stopped is None else names.index(stopped) :]
    # Of the old days nothing is left: what was stopped in them had begun anew.
    assert (tmp_path / "c" / "made").read_text() == ("xx" if stopped == "third" else "x")


def test_what_was_begun_from_an_older_stage_is_not_gone_on_with(
    commands: Commands, tmp_path: Path
) -> None:
    """The second was stopped, then the first is asked for otherwise: the second begins anew."""
    commands.fails = "second"
    with pytest.raises(GenPageError):
        make_stages(stages(tmp_path), CONSOLE)
    commands.fails = None
    make_stages(stages(tmp_path, "2"), CONSOLE)
    assert (tmp_path / "b" / "made").read_text() == "x"


def test_other_data_makes_again_what_read_it(commands: Commands, tmp_path: Path) -> None:
    """Under the same name: a stage is as old as what it was made from, and those after it too."""

    def reading(first: str, second: str) -> list[Stage]:
        return [
            Stage("first", tmp_path / "a", ("first",), data=first),
            Stage("second", tmp_path / "b", ("second",), data=second),
        ]

    make_stages(reading("1", "1"), CONSOLE)
    make_stages(reading("1", "2"), CONSOLE)
    assert commands.run == ["first", "second", "second"]
    make_stages(reading("2", "2"), CONSOLE)
    assert commands.run[3:] == ["first", "second"]
