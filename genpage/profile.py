"""A member's profile."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from genpage.entity import FINITE

ProfileType = Literal["adult", "teen", "kid"]
PROFILE_TYPES: tuple[ProfileType, ...] = get_args(ProfileType)


@dataclass(frozen=True, slots=True)
class Profile:
    """Who watches. ``maturity`` is the highest minimum age that may be shown, in years.

    ``ts`` orders profile changes (Unix seconds UTC). ``country`` None is an unknown one: only
    entities without country limits are then eligible.
    """

    __pydantic_config__: ClassVar[dict[str, bool]] = FINITE

    user_id: str
    language: str | None = None
    profile_type: ProfileType = "adult"
    country: str | None = None
    maturity: int = 18
    ts: float = 0.0
