"""Pages' explanations, made aside and kept as long as their pages: asking twice costs once.

What titles owe to each ground takes many times what their appeal takes (`tokenizer.grounds`), so it
is computed behind all else that the machine has to do, one page at a time.
"""

import asyncio
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from api.live_page import LivePage
from api.served import Served
from api.why import Explanation, explain
from genpage.grammar import DecodedRow
from rollout.aside import Aside
from runtime.choice import RowChoice


@dataclass(frozen=True, slots=True)
class Explained:
    """A page as far as it had got, and its explanation, row by row."""

    rows: tuple[DecodedRow, ...]
    choices: tuple[RowChoice | None, ...]
    found: Explanation
    # Whether the model that made it was there to tell.
    by_model: bool


class Explanations:
    """Owned by the event loop."""

    def __init__(self) -> None:
        self._aside = Aside()
        self._turn = asyncio.Lock()
        self._kept = WeakKeyDictionary[LivePage, Explained]()

    async def of(self, page: LivePage, model: Served | None) -> Explained:
        """Of the page's rows so far; without the ``model`` that made it there are only facts."""
        async with self._turn:  # who asks for the same page meanwhile finds it made
            kept = self._kept.get(page)
            rows, choices = tuple(page.rows), tuple(page.choices)
            by_model = model is not None
            if kept is None or len(kept.rows) != len(rows) or kept.by_model is not by_model:
                found = await self._aside.run_calmly(explain, page.plan, rows, model)
                kept = self._kept[page] = Explained(rows, choices, found, by_model)
            return kept
