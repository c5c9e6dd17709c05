"""The product rules of a page, declared in TOML.

A rules file travels in the checkpoint and in the bundle. Every key is checked on load; an unknown
one is a `RulesError` that names it. What the keys mean is said beside each in
``default_rules.toml``.

A rule that names nothing excludes nothing, so `Rules.check` refuses a misspelt genre or row kind. A
name of the default rules is no misspelling, whether or not a catalog has it: they are made for all.
"""

import tomllib
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from genpage.catalog import Catalog
from genpage.errors import RulesError
from genpage.profile import Profile, ProfileType
from genpage.request import Device
from genpage.row import MEMBER_ROW_KINDS
from genpage.rule_sections import (
    STRICT,
    EligibilityRules,
    Exclusions,
    PageRules,
    Position,
    RowKindRules,
    WithoutProfile,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a page."""

    __pydantic_config__ = STRICT

    schema: Literal[1]
    page: PageRules = field(default_factory=PageRules)
    eligibility: EligibilityRules = field(default_factory=EligibilityRules)
    without_profile: WithoutProfile = field(default_factory=WithoutProfile)
    profiles: dict[ProfileType, Exclusions] = field(default_factory=dict)
    devices: dict[Device, Exclusions] = field(default_factory=dict)
    row_kinds: dict[str, RowKindRules] = field(default_factory=dict)
    pins: dict[str, Position] = field(default_factory=dict)
    # The file as it was read: what a checkpoint or a bundle carries on, comments and all.
    source: str = ""

    @classmethod
    def parse(cls, text: str) -> "Rules":
        """The rules in a TOML document; `RulesError` says which keys are wrong and why."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RulesError(f"the rules are not valid TOML: {error}") from error
        if "source" in document:
            raise RulesError("rules: source: unknown key")
        try:
            return _ADAPTER.validate_python({**document, "source": text})
        except ValidationError as error:
            raise RulesError(f"rules: {'; '.join(map(_wrong, error.errors()))}") from error

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

    def values(self) -> dict[str, object]:
        """Every key that has a value, as the file would write it: ``page.unique_rows``."""
        document = asdict(self)
        del document["source"]
        return dict(_flat(document))

    def check(self, catalog: Catalog) -> None:
        """Raise `RulesError` where a rule cannot mean anything with this catalog; all are named."""
        problems = [*self._unknown_names(catalog), *self._wrong_pins(catalog)]
        if problems:
            raise RulesError(f"rules: {'; '.join(problems)}")

    def _unknown_names(self, catalog: Catalog) -> Iterator[str]:
        known = Rules.default()
        genres = {*catalog.by_genre, *_excluded(known).values()}
        for key, genre in _excluded(self).items():
            if genre not in genres:
                yield f"{key}: no title has the genre {genre!r}{_hint(genre, genres)}"
        kinds = {*MEMBER_ROW_KINDS, *(row.kind for row in catalog.rows), *known.row_kinds}
        for kind in self.row_kinds:
            if kind not in kinds:
                yield f"row_kinds.{kind}: the catalog has no row of that kind{_hint(kind, kinds)}"

    def _wrong_pins(self, catalog: Catalog) -> Iterator[str]:
        ids = [row.id for row in catalog.rows]
        for row_id in self.pins:
            if catalog.row_index(row_id) is None:
                yield f"pins.{row_id}: the catalog has no such row{_hint(row_id, ids)}"
        places = self.pinned(catalog)
        for position, row in places.items():
            if list(places.values()).count(row) > 1:
                yield f"pins: {catalog.rows[row].id} is pinned twice, once at {position}"

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


def _excluded(rules: Rules) -> dict[str, str]:
    """Where each excluded genre stands -> the genre."""
    limits: list[tuple[str, Exclusions]] = [
        *((f"profiles.{name}", excluded) for name, excluded in rules.profiles.items()),
        *((f"devices.{name}", excluded) for name, excluded in rules.devices.items()),
    ]
    return {
        f"{key}.exclude_genres.{place}": genre
        for key, excluded in limits
        for place, genre in enumerate(excluded.exclude_genres)
    }


def _wrong(error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in error["loc"])
    unknown = error["type"] == "unexpected_keyword_argument"
    return f"{key}: {'unknown key' if unknown else error['msg']}"


def _hint(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; is {close[0]!r} meant?" if close else ""


def _flat(document: dict[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        elif value is not None and value != ():
            yield f"{above}{key}", value


_ADAPTER = TypeAdapter(Rules)
