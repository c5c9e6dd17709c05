"""A page as the server holds it: what was said of it so far, and who is listening.

Every event is serialised once and kept, so that any number of clients, early or late, read the
same bytes. One event loop owns it; nothing here decodes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Literal

import orjson

from api import sse
from api.cards import Cards
from api.plan import Plan
from api.problems import Problem
from genpage.grammar import DecodedRow
from genpage.page import FinishReason
from runtime.choice import RowChoice
from runtime.output import PageFinished

State = Literal["running", "paused", "finished", "failed"]
_OVERHEAD_BYTES = 2_048


@dataclass(frozen=True, slots=True)
class Spent:
    """What decoding cost, over all the times that it was taken up; milliseconds, tokens, passes.

    The prompt's tokens are those of the first time: going on feeds no new prompt.
    """

    queue_ms: float = 0.0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    prompt_tokens: int | None = None
    cached_prompt_tokens: int = 0
    forward_passes: int = 0

    @property
    def total_ms(self) -> float:
        """Waiting, prompt and rows."""
        return self.queue_ms + self.prefill_ms + self.decode_ms

    def plus(self, finished: PageFinished) -> "Spent":
        """With one more time."""
        timing = finished.timing
        spent = replace(
            self,
            queue_ms=self.queue_ms + timing.queue_ms,
            prefill_ms=self.prefill_ms + timing.prefill_ms,
            decode_ms=self.decode_ms + timing.decode_ms,
            forward_passes=self.forward_passes + finished.forward_passes,
        )
        if self.prompt_tokens is not None:
            return spent
        return replace(
            spent,
            prompt_tokens=finished.prompt_tokens,
            cached_prompt_tokens=finished.cached_prompt_tokens,
        )


class LivePage:
    """A page from admission until the store lets go of it."""

    def __init__(
        self,
        plan: Plan,
        cards: Cards,
        when_deserted: Callable[["LivePage"], None],
        *,
        explained: bool = False,
    ) -> None:
        """``when_deserted`` is called when the last listener leaves a page that is running.

        ``explained`` pages keep what `api.why` asks for.
        """
        self.plan = plan
        self.state: State = "running"
        self.spent = Spent()
        # Rows of this page by catalog indices; those of the pages it continues are in the plan.
        self.rows: list[DecodedRow] = []
        # By row: the probability of each place, empty where nothing was drawn.
        self.propensities: list[tuple[float, ...]] = []
        # By row, what it was chosen over.
        self.choices: list[RowChoice | None] = []
        self.finish_reason: FinishReason | None = None
        self.problem: Problem | None = None
        # Somebody asked for its end: what the engine gives up is then not taken up again.
        self.stopped = False
        # Called when the last listener leaves a page that is not running any more.
        self.when_left: Callable[[LivePage], None] | None = None
        self._cards = cards
        self._explained = explained
        self._when_deserted = when_deserted
        # Events by name, with their documents; each is framed as it is sent.
        self._said = [("page.start", orjson.dumps(plan.start_document()))]
        self._end: dict[str, object] | None = None
        self._watchers = 0
        # Events that were handed on to a client, the start included.
        self._sent = 0
        self._changed = asyncio.Event()

    @property
    def page_id(self) -> str:
        """The page's id."""
        return self.plan.page_id

    @property
    def user_id(self) -> str:
        """Whose page it is."""
        return self.plan.request.user_id

    @property
    def over(self) -> bool:
        """Whether nothing will ever be added."""
        return self.state in {"finished", "failed"}

    @property
    def watched(self) -> bool:
        """Whether anybody listens."""
        return self._watchers > 0

    @property
    def events(self) -> int:
        """How many events were said so far; the next one's number."""
        return len(self._said)

    @property
    def rows_sent(self) -> int:
        """How many of the rows went out to a client that follows the page."""
        return min(len(self.rows), max(0, self._sent - 1))

    @property
    def nbytes(self) -> int:
        """About how much memory it holds."""
        said = sum(len(document) for _, document in self._said)
        return said + self.plan.nbytes + _OVERHEAD_BYTES

    def add_row(
        self,
        row: DecodedRow,
        at_ms: float,
        propensities: tuple[float, ...] = (),
        choice: RowChoice | None = None,
    ) -> None:
        """A row was decoded, ``at_ms`` after the page was asked for.

        ``propensities`` are its places' probabilities; empty where nothing was drawn.
        """
        because = self.plan.because(row.row)
        document = self._cards.row(len(self.rows), row.row, row.entities, at_ms, because)
        self.rows.append(row)
        self.propensities.append(propensities)
        self.choices.append(choice)
        self._say("row", document)

    def pause(self) -> None:
        """Decoding was given up since nobody listened; it may be taken up again."""
        self.state = "paused"
        self._wake()

    def go_on(self) -> None:
        """Decoding is taken up again."""
        self.state = "running"

    def finish(self, reason: FinishReason) -> None:
        """The page is complete, or as complete as it will get."""
        self.finish_reason, self.state = reason, "finished"
        self.plan = self.plan.decoded(explained=self._explained)
        spent = self.spent
        parts = {
            "queue_ms": round(spent.queue_ms, 3),
            "prefill_ms": round(spent.prefill_ms, 3),
            "decode_ms": round(spent.decode_ms, 3),
        }
        self._end = {
            "finish_reason": reason,
            # The sum of what is told, so that it adds up to the last digit.
            "timing": {**parts, "total_ms": round(sum(parts.values()), 3)},
            "prompt_tokens": spent.prompt_tokens or 0,
            "cached_prompt_tokens": spent.cached_prompt_tokens,
            "forward_passes": spent.forward_passes,
        }
        self._say("page.end", orjson.dumps({"rows": len(self.rows), **self._end}))

    def fail(self, problem: Problem) -> None:
        """Decoding broke; what was decoded stands."""
        self.problem, self.state = problem, "failed"
        self.plan = self.plan.decoded(explained=self._explained)
        self._say("error", orjson.dumps(problem.document(self.plan.request_id)))

    def json(self) -> bytes:
        """The page as one document: the stream gathered. A page not over has a null reason."""
        unknown: dict[str, object] = {"finish_reason": None, "timing": None}
        return orjson.dumps(
            {
                **self.plan.start_document(),
                "state": self.state,
                "rows": [
                    orjson.Fragment(document) for event, document in self._said if event == "row"
                ],
                **(self._end or unknown),
            }
        )

    def watch(self, after: int = -1) -> "Watch":
        """Listen to the events behind number ``after``. The caller closes the watch."""
        self._watchers += 1
        return Watch(self, after)

    def frames_after(self, number: int) -> list[bytes]:
        """The events said so far behind ``number``."""
        return [
            sse.frame(event, f"{self.page_id}:{place}", document)
            for place, (event, document) in enumerate(self._said[number + 1 :], number + 1)
        ]

    def note_sent(self, events: int) -> None:
        """The first ``events`` events were handed on to a client."""
        self._sent = max(self._sent, events)

    async def changed(self) -> None:
        """Returns when something was said, or the state changed, after this call."""
        await self._changed.wait()

    def leave(self) -> None:
        """A listener is gone."""
        self._watchers -= 1
        if self._watchers:
            return
        if self.state == "running":
            self._when_deserted(self)
        elif self.when_left is not None:
            self.when_left(self)

    def _say(self, event: str, document: bytes) -> None:
        self._said.append((event, document))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Watch:
    """One listener of a page. `close` once, whether or not its frames were read."""

    def __init__(self, page: LivePage, after: int) -> None:
        self._page = page
        self._seen = after
        self._open = True

    def close(self) -> None:
        """Stop listening; harmless a second time."""
        if self._open:
            self._open = False
            self._page.leave()

    async def frames(self) -> AsyncIterator[bytes]:
        """The wire bytes: preamble, events as they are said, a ping in every quiet stretch."""
        said = [sse.PREAMBLE]
        while True:
            news = self._page.frames_after(self._seen)
            self._seen += len(news)
            said += news
            if said:
                yield b"".join(said)
                self._page.note_sent(self._seen + 1)
                said = []
                continue  # what was said while these were sent
            if self._page.over:
                return
            try:
                async with asyncio.timeout(sse.PING_S):
                    await self._page.changed()
            except TimeoutError:
                yield sse.PING

    async def until_over(self) -> None:
        """Returns when the page is over."""
        while not self._page.over:
            await self._page.changed()
