"""A page: an ordered list of rows, each an ordered list of entities."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["complete", "exhausted", "deadline", "cancelled", "draining"]


@dataclass(frozen=True, slots=True)
class PageRow:
    """A finished row, by ids."""

    row_id: str
    entity_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What was generated, by ids; rows in their order on the page."""

    rows: tuple[PageRow, ...] = ()
