"""A row that was just finished, with what is told of how it was decided."""

from dataclasses import dataclass, field
from typing import Self

from genpage.grammar import DecodedRow
from runtime.choice import RowChoice


@dataclass(frozen=True, slots=True)
class Written:
    """A finished row; the others as in `runtime.output.RowDecoded`."""

    row: DecodedRow
    propensities: tuple[float, ...]
    choice: RowChoice | None = field(default=None, compare=False)

    @classmethod
    def of(cls, row: DecodedRow, chances: list[float], choice: RowChoice | None) -> Self:
        """``chances`` are of the row, then of each place; none stand for certainty.

        The first place's propensity stands for the choice of the row as well.
        """
        if not chances:
            return cls(row, (), choice)
        opened, first, *others = chances
        return cls(row, (opened * first, *others), choice)
