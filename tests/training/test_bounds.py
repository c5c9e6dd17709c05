"""The settings of training refuse what trains nothing, as they are made and from the command."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genpage.cli import main
from genpage.errors import UsageError
from training.appraisal import Appraisal
from training.bounds import COUNT, RATE, SHARE, WEIGHT, Bounds
from training.cadence import Cadence
from training.options import Options
from training.reward_model import Regression
from training.rl.form import Form
from training.rl.settings import Settings
from training.visits import PageSize
from training.wbc import Switches

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("made", "name", "value", "said"),
    [
        (Cadence, "lr", 0.0, "a number above 0 and at most 1, not 0.0"),
        (Cadence, "lr", 1.5, "a number above 0 and at most 1, not 1.5"),
        (Cadence, "lr", NAN, "a number above 0 and at most 1, not nan"),
        (Cadence, "passes", 0, "a whole number, at least 1, not 0"),
        (Cadence, "questions", -3, "a whole number, at least 1, not -3"),
        (Cadence, "days", 1.5, "a whole number, at least 1, not 1.5"),
        (Cadence, "past", -0.5, "a number, at least 0, not -0.5"),
        (Cadence, "past", INF, "a number, at least 0, not inf"),
        (Cadence, "past_days", -1, "a whole number, at least 0, not -1"),
        (Cadence, "pages", True, "a whole number, at least 0, not True"),
        (Cadence, "page_tokens", 0, "a whole number, at least 1, not 0"),
        (Cadence, "clip", 0.0, "a number above 0, not 0.0"),
        (Settings, "steps", 0, "a whole number, at least 1, not 0"),
        (Settings, "group", 1, "a whole number, at least 2, not 1"),
        (Settings, "look_visits", 1, "a whole number, at least 2, not 1"),
        (Settings, "look_every", 0, "a whole number, at least 1, not 0"),
        (Settings, "save_every", 0, "a whole number, at least 1, not 0"),
        (Settings, "temperature", NAN, "a number above 0, not nan"),
        (Settings, "lr", 2.0, "a number above 0 and at most 1, not 2.0"),
        (Settings, "clip", 1.2, "a number above 0 and at most 1, not 1.2"),
        (Settings, "discount", 1.01, "a number above 0 and at most 1, not 1.01"),
        (Settings, "kl", -0.1, "a number, at least 0, not -0.1"),
        (Settings, "kl_target", 0.0, "a number above 0, not 0.0"),
        (Settings, "appeal_pace", NAN, "a number, at least 0, not nan"),
        (Settings, "credit", "pages", "one of page, onward, not 'pages'"),
        (Settings, "seed", -1, "a whole number, at least 0, not -1"),
        (PageSize, "rows", 0, "a whole number, at least 1, not 0"),
        (PageSize, "entities_per_row", -1, "a whole number, at least 1, not -1"),
        (Appraisal, "epochs", 0, "a whole number, at least 1, not 0"),
        (Appraisal, "decay", NAN, "a number, at least 0, not nan"),
        (Appraisal, "lr", 7.0, "a number above 0 and at most 1, not 7.0"),
        (Switches, "negatives", -1, "a whole number, at least 0, not -1"),
        (Switches, "next_title_share", 1.25, "a number from 0 to 1, not 1.25"),
        (Switches, "restraint", NAN, "a number, at least 0, not nan"),
        (Switches, "drawn", 0, "a whole number, at least 1, not 0"),
        (Form, "rows", 0, "a whole number, at least 1, not 0"),
        (Form, "too_low", -0.1, "a number, at least 0, not -0.1"),
        (Regression, "rows", 0, "a whole number, at least 1, not 0"),
        (Regression, "title_share", NAN, "a number, at least 0, not nan"),
        (Regression, "odds_share", -1.0, "a number, at least 0, not -1.0"),
        (Options, "lr", NAN, "a number above 0 and at most 1, not nan"),
        (Options, "lr", 1.5, "a number above 0 and at most 1, not 1.5"),
        (Options, "epochs", 0.0, "a number above 0, not 0.0"),
        (Options, "steps", 0, "a whole number, at least 1, not 0"),
        (Options, "save_every", 0, "a whole number, at least 1, not 0"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_name_and_bounds(
    made: Callable[..., object], name: str, value: object, said: str
) -> None:
    """As it is made, not after an hour of training."""
    needed: dict[object, dict[str, Any]] = {
        Options: {"data": Path(), "out": Path()},
        Form: {"rows": 4},
    }
    with pytest.raises(UsageError) as told:
        made(**{**needed.get(made, {}), name: value})
    assert str(told.value) == f"{name} must be {said}"


@pytest.mark.parametrize("share", [1.5, -0.1, NAN, "4"])
def test_a_wish_for_a_place_is_a_share_of_the_page(share: Any) -> None:  # noqa: ANN401 - anything
    """A place by its number would lie outside most pages, and say nothing."""
    with pytest.raises(UsageError, match="not_below of genre must be a number from 0 to 1"):
        Form(rows=4, not_below={"genre": share})


def test_a_changed_setting_is_checked_too() -> None:
    """`dataclasses.replace` makes another one."""
    with pytest.raises(UsageError, match="steps must be"):
        dataclasses.replace(Settings(), steps=0)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        (COUNT, [1, 10**9], [0, 1.0, True, None, "1"]),
        (SHARE, [0, 0.0, 0.5, 1.0, 1], [-0.01, 1.01, NAN]),
        (RATE, [1e-9, 1], [0, 0.0, 1.001]),
        (WEIGHT, [0, 3.5], [-1e-9, INF, NAN]),
        (Bounds(2, 4, whole=True), [2, 4], [1, 5, 3.0]),
    ],
)
def test_bounds_hold_what_lies_between_them(
    bounds: Bounds, inside: list[object], outside: list[object]
) -> None:
    """Ends included, but for a least that is to be above."""
    assert [bounds.holds(value) for value in inside] == [True] * len(inside)
    assert [bounds.holds(value) for value in outside] == [False] * len(outside)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["rl", "--reward-model", "m", "--from", "p", "--lr", "5"], "lr must be a number above 0"),
        (["rl", "--reward-model", "m", "--from", "p", "--temperature", "inf"], "temperature must"),
        (["histories", "--lr", "inf"], "lr must be a number above 0 and at most 1, not inf"),
        (["daily", "--from", "p", "--day", "2026-01-02", "--past", "inf"], "past must be a number"),
        (["pretrain", "--lr", "inf"], "lr must be a number above 0 and at most 1, not inf"),
        (["wbc", "--from", "p", "--lr", "2"], "lr must be a number above 0 and at most 1, not 2.0"),
    ],
)
def test_a_command_tells_a_wrong_setting_in_one_line(
    command: list[str],
    said: str,
    service: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With exit code 2, before anything is read or written."""
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        main(["train", *command, "--data", str(service), "--out", str(out)])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"genpage: {said}")
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())
