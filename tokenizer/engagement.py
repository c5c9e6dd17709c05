"""How much an action says for a title: what the summary segment of a prompt ranks by.

Whole numbers, so that a sum does not depend on its order.
"""

from collections.abc import Mapping
from types import MappingProxyType

from genpage.event import Action

ENGAGEMENT: Mapping[Action, int] = MappingProxyType(
    {
        "play": 4,
        "abandon": -4,
        "add_to_list": 4,
        "remove_from_list": -2,
        "thumbs_up": 8,
        "thumbs_down": -8,
        "trailer": 1,
        "details": 1,
        "search": 1,
    }
)
