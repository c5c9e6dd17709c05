"""How alike pages of the same requests are, made by two models or by two ways to run one."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

from genpage.page import PageRow


@dataclass(frozen=True, slots=True)
class Likeness:
    """Each from 0 to 1, of the larger of the two pages.

    ``titles_shared`` and ``rows_shared``: both pages show them, wherever. ``same_place``: the same
    title at the same place of the same row number; ``rows_in_place``: the same row at the same
    number.
    """

    titles_shared: float
    same_place: float
    rows_shared: float
    rows_in_place: float

    @classmethod
    def of(cls, left: Sequence[PageRow], right: Sequence[PageRow]) -> Self:
        """Of two pages' rows; of none and none, 1."""
        return cls(
            titles_shared=_shared(_titles(left), _titles(right)),
            same_place=_same_place(left, right),
            rows_shared=_shared({row.row_id for row in left}, {row.row_id for row in right}),
            rows_in_place=_share(
                sum(
                    ours.row_id == theirs.row_id for ours, theirs in zip(left, right, strict=False)
                ),
                max(len(left), len(right)),
            ),
        )

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {field.name: round(getattr(self, field.name), 4) for field in fields(self)}


class MeanLikeness:
    """The mean over pairs of pages. Mutated by `add`."""

    def __init__(self) -> None:
        self.pages = 0
        self._sums = dict.fromkeys((field.name for field in fields(Likeness)), 0.0)

    def add(self, left: Sequence[PageRow], right: Sequence[PageRow]) -> None:
        """One page of each."""
        self.pages += 1
        found = Likeness.of(left, right)
        for name in self._sums:
            self._sums[name] += getattr(found, name)

    @property
    def mean(self) -> Likeness:
        """Over the pages so far; all 0 where there are none."""
        return Likeness(**{name: total / max(1, self.pages) for name, total in self._sums.items()})


def _titles(rows: Sequence[PageRow]) -> set[str]:
    return {title for row in rows for title in row.entity_ids}


def _shared(left: set[str], right: set[str]) -> float:
    return _share(len(left & right), max(len(left), len(right)))


def _same_place(left: Sequence[PageRow], right: Sequence[PageRow]) -> float:
    same = sum(
        ours == theirs
        for one, other in zip(left, right, strict=False)
        for ours, theirs in zip(one.entity_ids, other.entity_ids, strict=False)
    )
    return _share(same, max(sum(len(row.entity_ids) for row in page) for page in (left, right)))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
