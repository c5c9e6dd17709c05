"""A page as it was served: what impressions are made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServedRow:
    """A row by ids; ``propensities`` are its places', 1 where nothing was drawn."""

    row_id: str
    entity_ids: tuple[str, ...]
    propensities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ServedPage:
    """``at`` is the page's clock, Unix seconds; ``rows_sent`` how many of the rows went out.

    ``explored`` is the share of choices that its server declared to draw instead of decide: 1 of a
    page that was sampled, None where nobody told. How many of its own were drawn is not known.
    """

    page_id: str
    user_id: str
    at: float
    device: str
    locale: str | None
    rows_sent: int
    rows: tuple[ServedRow, ...]
    simulated: bool = False
    explored: float | None = None
