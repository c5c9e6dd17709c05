"""Why titles appeal: what their appeal owes to each group of the signs that it is told from.

What a ground gives a title is its appeal less what that would be had nobody known the ground's
signs. Exact, ground by ground; since the appeal is no sum, the grounds together need not make up
all of it. Asked for by people, never on a page's way.

Shape legend: E entities by catalog index.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tokenizer.appeal import Appeal
from tokenizer.signs import ITEM, OWN, SIGN_NAMES, Signs

FloatArray = NDArray[np.float32]
Ground = Literal["own", "taste", "trending", "new", "kind", "fit", "moment", "quality", "other"]
GROUNDS: Final[tuple[Ground, ...]] = get_args(Ground)

_FIT: Final = frozenset({"spoken", "maturity"})
_NEW: Final = frozenset({"burst", "new", "age", "dated"})


def ground_of(sign: str) -> Ground:
    """What a sign speaks for: the member's acts on a title, their taste, everybody's, its age..."""
    if sign in OWN:
        return "own"
    if sign.startswith(("near_", "genres")):
        return "taste"
    if sign.startswith("pace_"):
        return "trending"
    if sign in _NEW:
        return "new"
    if sign in _FIT:
        return "fit"
    return "kind" if sign in ITEM else "other"


def owed(appeal: Appeal, signs: Signs) -> Mapping[Ground, FloatArray]:
    """(E,) logits by ground: what each title's appeal would lack without it."""
    whole = appeal.entities(signs)
    return {ground: whole - _without(appeal, signs, ground) for ground in GROUNDS}


def _without(appeal: Appeal, signs: Signs, ground: Ground) -> FloatArray:
    if ground == "quality":
        return replace(appeal, quality=np.zeros_like(appeal.quality)).entities(signs)
    if ground == "moment":
        return appeal.entities(replace(signs, asked=np.zeros_like(signs.asked)))
    known = np.array([ground_of(name) != ground for name in SIGN_NAMES])
    left = replace(signs, titles=signs.titles * known[:, None].astype(np.float32))
    if ground == "taste":
        left = replace(left, wishes=np.zeros_like(signs.wishes))
    return appeal.entities(left)
