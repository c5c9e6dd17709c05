"""The product rules of a page, declared in TOML.

A rules file travels in the checkpoint and in the bundle. Every key is checked on load; an unknown
one is a `RulesError` that names it. What the keys mean is said beside each in
``default_rules.toml``.
"""

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from genpage.catalog import Catalog
from genpage.entity import EntityKind
from genpage.errors import RulesError
from genpage.profile import Profile, ProfileType
from genpage.request import Device

Age = Annotated[int, Field(ge=0, le=120)]
Count = Annotated[int, Field(ge=1, le=100)]
Position = Annotated[int, Field(ge=0, le=39)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_STRICT = {"extra": "forbid", "strict": False}


@dataclass(frozen=True, slots=True)
class PageRules:
    """What holds for the page as a whole."""

    __pydantic_config__ = _STRICT

    unique_entities: bool = True
    unique_rows: bool = True
    minimum_pinned: Count = 1


@dataclass(frozen=True, slots=True)
class EligibilityRules:
    """What makes an entity eligible for a member at a time."""

    __pydantic_config__ = _STRICT

    maturity: bool = True
    countries: bool = True
    licence_windows: bool = True
    released: bool = True
    live_lead_s: Seconds = 3600.0
    rejected: bool = True


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What a profile type or a device must not be shown."""

    __pydantic_config__ = _STRICT

    maximum_maturity: Age | None = None
    exclude_genres: tuple[str, ...] = ()
    exclude_kinds: tuple[EntityKind, ...] = ()


@dataclass(frozen=True, slots=True)
class WithoutProfile:
    """Whom to take a member for whose profile is not known, or not to be had."""

    __pydantic_config__ = _STRICT

    profile_type: ProfileType = "adult"
    maturity: Age = 18


@dataclass(frozen=True, slots=True)
class RowKindRules:
    """How often rows of one kind may stand on a page."""

    __pydantic_config__ = _STRICT

    per_page: Count


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a page."""

    __pydantic_config__ = _STRICT

    schema: Literal[1]
    page: PageRules = PageRules()
    eligibility: EligibilityRules = EligibilityRules()
    without_profile: WithoutProfile = WithoutProfile()
    profiles: dict[ProfileType, Exclusions] = field(default_factory=dict)
    devices: dict[Device, Exclusions] = field(default_factory=dict)
    row_kinds: dict[str, RowKindRules] = field(default_factory=dict)
    pins: dict[str, Position] = field(default_factory=dict)
    # The file as it was read: what a checkpoint or a bundle carries on, comments and all.
    source: str = ""

    @classmethod
    def parse(cls, text: str) -> "Rules":
        """The rules in a TOML document; `RulesError` says which key is wrong and why."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RulesError(f"the rules are not valid TOML: {error}") from error
        if "source" in document:
            raise RulesError("rules: source: unknown key")
        try:
            return _ADAPTER.validate_python({**document, "source": text})
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise RulesError(f"rules: {key}: {first['msg']}") from error

    @classmethod
    def load(cls, path: Path) -> "Rules":
        """The rules in a file."""
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RulesError(f"cannot read the rules file {path}: {error}") from error
        return cls.parse(text)

    @classmethod
    def default(cls) -> "Rules":
        """The rules that apply where a team gives none."""
        return cls.parse(files("genpage").joinpath("default_rules.toml").read_text("utf-8"))

    def to_toml(self) -> str:
        """The document these rules were parsed from."""
        return self.source

    def assumed_profile(self, user_id: str) -> Profile:
        """Whom to take a member for of whom no profile is known."""
        assumed = self.without_profile
        return Profile(user_id, profile_type=assumed.profile_type, maturity=assumed.maturity)

    def check(self, catalog: Catalog) -> None:
        """Raise `RulesError` where a rule cannot mean anything with this catalog."""
        for row_id in self.pins:
            if catalog.row_index(row_id) is None:
                raise RulesError(f"rules: pins.{row_id}: the catalog has no such row")
        places = self.pinned(catalog)
        for position, row in places.items():
            if list(places.values()).count(row) > 1:
                raise RulesError(
                    f"rules: pins: {catalog.rows[row].id} is pinned twice, once at {position}"
                )

    def pinned(self, catalog: Catalog) -> dict[int, int]:
        """Page position -> catalog row index. ``pins`` wins over a row's own position."""
        places = {
            row.pinned_position: index
            for index, row in reversed(list(enumerate(catalog.rows)))
            if row.pinned_position is not None and row.id not in self.pins
        }
        for row_id, position in self.pins.items():
            index = catalog.row_index(row_id)
            if index is not None:
                places[position] = index
        return places


_ADAPTER = TypeAdapter(Rules)
