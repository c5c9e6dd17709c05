"""The sections of a rules file, and what their values may be.

What the keys mean is said beside each in ``default_rules.toml``.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from genpage.entity import EntityKind
from genpage.profile import ProfileType

# TOML has types: "no" is not false, "7" is not 7.
Switch = Annotated[bool, Field(strict=True)]
Age = Annotated[int, Field(strict=True, ge=0, le=120)]
Count = Annotated[int, Field(strict=True, ge=1, le=100)]
Position = Annotated[int, Field(strict=True, ge=0, le=39)]
Seconds = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
# Of every section: unknown keys are refused, types are as each value says.
STRICT = {"extra": "forbid", "strict": False}


@dataclass(frozen=True, slots=True)
class PageRules:
    """What holds for the page as a whole."""

    __pydantic_config__ = STRICT

    unique_entities: Switch = True
    unique_rows: Switch = True
    minimum_pinned: Count = 1


@dataclass(frozen=True, slots=True)
class EligibilityRules:
    """What makes an entity eligible for a member at a time."""

    __pydantic_config__ = STRICT

    maturity: Switch = True
    countries: Switch = True
    licence_windows: Switch = True
    released: Switch = True
    live_lead_s: Seconds = 3600.0
    rejected: Switch = True


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What a profile type or a device must not be shown."""

    __pydantic_config__ = STRICT

    maximum_maturity: Age | None = None
    exclude_genres: tuple[str, ...] = ()
    exclude_kinds: tuple[EntityKind, ...] = ()


@dataclass(frozen=True, slots=True)
class WithoutProfile:
    """Whom to take a member for whose profile is not known, or not to be had."""

    __pydantic_config__ = STRICT

    profile_type: ProfileType = "adult"
    maturity: Age = 18


@dataclass(frozen=True, slots=True)
class RowKindRules:
    """How often rows of one kind may stand on a page."""

    __pydantic_config__ = STRICT

    per_page: Count
