"""Who may see what, where nothing is known of the member."""

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.eligibility import eligible
from genpage.entity import Entity
from genpage.profile import Profile
from genpage.request import PageRequest
from genpage.rules import Rules

CATALOG = Catalog.build(
    [
        Entity("cartoon", "film", "Cartoon", maturity=0),
        Entity("haunted", "film", "Haunted", genres=("Horror",), maturity=0),
        Entity("noir", "film", "Noir", maturity=16),
    ],
    [],
)
STRICT = """
schema = 1
[without_profile]
profile_type = "kid"
maturity = 0
[profiles.kid]
exclude_genres = ["Horror"]
"""


def seen(rules: Rules, profile: Profile | None) -> list[str]:
    """The titles that a member with this profile may be shown."""
    mask = eligible(CATALOG, rules, Context("m", profile), PageRequest("m", 0.0))
    return [entity.id for entity, may in zip(CATALOG.entities, mask, strict=True) if may]


def test_a_member_without_a_profile_is_whom_the_rules_say() -> None:
    """By default an adult; an operator can have all limits of a kid hold instead."""
    assert seen(Rules.default(), None) == ["cartoon", "haunted", "noir"]
    assert seen(Rules.parse(STRICT), None) == ["cartoon"]


def test_a_known_profile_goes_before_the_assumed_one() -> None:
    """What is assumed holds for nobody who is known."""
    assert seen(Rules.parse(STRICT), Profile("m")) == ["cartoon", "haunted", "noir"]
