"""How much each impressed title counts as a target, from what the member did with it.

METHOD pretrains by next-token prediction of page tokens on impressions with positive feedback. We:

1. take the pages on which at least one title was engaged with;
2. weigh a token by its feedback: an engaged title by how much the action says for it, a title
   that was only shown by little (that a policy chose it says little for this member), one that was
   turned down by nothing. A row's token weighs as much as its best title;
3. end a page after its last row with a judged title: nobody looked further, so the rest says
   nothing about the member.
"""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from genpage.event import Action

SHOWN = 0.03
POSITIVE: Mapping[Action, float] = MappingProxyType(
    {
        "play": 1.0,
        "thumbs_up": 1.0,
        "add_to_list": 0.75,
        "trailer": 0.25,
        "details": 0.25,
        "search": 0.25,
    }
)
NEGATIVE: frozenset[Action] = frozenset({"abandon", "thumbs_down", "remove_from_list"})


def target_weight(action: pl.Expr) -> pl.Expr:
    """The weight of an impressed title as a target, by its ``action`` (null: none)."""
    weights = {**POSITIVE, **dict.fromkeys(NEGATIVE, 0.0)}
    return action.replace_strict(weights, default=SHOWN, return_dtype=pl.Float32)


def is_positive(action: pl.Expr) -> pl.Expr:
    """Whether a title was engaged with."""
    return action.is_in(list(POSITIVE)).fill_null(value=False)


def is_judged(action: pl.Expr, seen: pl.Expr) -> pl.Expr:
    """Whether a member saw a title or acted on it; what is not known counts as seen."""
    return seen.fill_null(value=True) | action.is_not_null()
