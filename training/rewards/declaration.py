"""What feedback is worth, declared in TOML.

What the keys mean is said beside each in ``default_rewards.toml``.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from genpage.errors import RulesError
from genpage.event import Action

Aggregate = Literal["sum", "mean", "max"]
Source = Literal["logged", "estimated"]
# TOML has types: "1" is no number.
Worth = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-100, le=100)]
Bonus = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=100)]
Loss = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-100, le=0)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Seconds = Annotated[float, Field(strict=True, ge=0, le=30 * 86_400)]
_STRICT = {"extra": "forbid", "strict": False}


@dataclass(frozen=True, slots=True)
class PlayWorth:
    """The terms of a play that was not abandoned."""

    __pydantic_config__ = _STRICT

    base: Worth = 0.0
    completed: Bonus = 0.0
    hour: Bonus = 0.0
    most_hours: Bonus = 4.0
    binge: Bonus = 0.0
    most_binge: Bonus = 3.0


@dataclass(frozen=True, slots=True)
class ActionWorth:
    """What each other action is worth. `abandon` and `thumbs_down` cannot be good."""

    __pydantic_config__ = _STRICT

    abandon: Loss = 0.0
    add_to_list: Worth = 0.0
    remove_from_list: Worth = 0.0
    thumbs_up: Worth = 0.0
    thumbs_down: Loss = 0.0
    trailer: Worth = 0.0
    details: Worth = 0.0
    search: Worth = 0.0

    def by_action(self) -> Mapping[Action, float]:
        """Action -> worth; a play has terms of its own."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[misc]  # the fields are actions


@dataclass(frozen=True, slots=True)
class Shown:
    """What a title is worth that was seen and passed over."""

    __pydantic_config__ = _STRICT

    ignored: Loss = 0.0


@dataclass(frozen=True, slots=True)
class Attribution:
    """How long after a page, and with what share, it is credited for what happens elsewhere."""

    __pydantic_config__ = _STRICT

    window_s: Seconds = 0.0
    share: Share = 0.5


@dataclass(frozen=True, slots=True)
class RowWorth:
    """How a row's reward comes of its titles'."""

    __pydantic_config__ = _STRICT

    aggregate: Aggregate = "sum"


@dataclass(frozen=True, slots=True)
class ExaminationRules:
    """What counts as seen."""

    __pydantic_config__ = _STRICT

    source: Source = "logged"


@dataclass(frozen=True, slots=True)
class Rewards:
    """The whole declaration."""

    __pydantic_config__ = _STRICT

    schema: Literal[1]
    play: PlayWorth = PlayWorth()
    actions: ActionWorth = ActionWorth()
    shown: Shown = Shown()
    attribution: Attribution = Attribution()
    row: RowWorth = RowWorth()
    examination: ExaminationRules = ExaminationRules()
    # The file as it was read: what a checkpoint carries on, comments and all.
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> "Rewards":
        """The rewards in a TOML document; `RulesError` says which keys are wrong and why."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RulesError(f"the rewards are not valid TOML: {error}") from error
        if "text" in document:
            raise RulesError("rewards: text: unknown key")
        try:
            rewards = _ADAPTER.validate_python({**document, "text": text})
        except ValidationError as error:
            raise RulesError(f"rewards: {'; '.join(map(_wrong, error.errors()))}") from error
        rewards.check()
        return rewards

    @classmethod
    def load(cls, path: Path) -> "Rewards":
        """The rewards in a file."""
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RulesError(f"cannot read the rewards file {path}: {error}") from error
        return cls.parse(text)

    @classmethod
    def default(cls) -> "Rewards":
        """The rewards that apply where a team gives none."""
        return cls.parse(files("training.rewards").joinpath("default_rewards.toml").read_text())

    def check(self) -> None:
        """`RulesError` where nothing is worth anything, or nothing can ever count against a title.

        With one sign alone there is nothing to tell apart: every logit grows without bound.
        """
        play = self.play
        worths = [play.base, play.completed, play.hour, play.binge, self.shown.ignored]
        worths += self.actions.by_action().values()
        if max(worths) <= 0:
            raise RulesError("rewards: nothing is worth anything; give play.base, for one")
        if min(worths) >= 0:
            raise RulesError(
                "rewards: nothing counts against a title; give shown.ignored or actions.abandon a "
                "value below 0"
            )


def _wrong(error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in error["loc"])
    unknown = error["type"] == "unexpected_keyword_argument"
    return f"{key}: {'unknown key' if unknown else error['msg']}"


_ADAPTER = TypeAdapter(Rewards)
