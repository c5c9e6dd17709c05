"""Pages for sampled members: does any break a rule, and do two decoders give the same page?

Three questions, each answered over real decoding, none over a shortcut:

- the served pages against `genpage.audit`, rule by rule;
- an fp32 bundle's pages against the plain PyTorch twin's (no cache, everything recomputed); where
  they part, the gap between the two choices' logits says whether it was a tie;
- one bundle's pages against another's (int8 against fp32), position by position.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genpage.audit import violations
from genpage.context import Context
from genpage.grammar import DecodedRow, PageGrammar
from genpage.injection import inject
from genpage.page import Page, PageRow
from genpage.request import PageRequest
from genpage.trends import Trends
from runtime.engine import Engine
from runtime.job import PageJob
from runtime.model import LoadedModel
from runtime.output import PageFailed, PageFinished, RowDecoded
from runtime.prefix import PrefixKey

TIE = 1e-4
IntArray = NDArray[np.int32]
Rows = tuple[DecodedRow, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A member and what they ask for."""

    context: Context
    request: PageRequest
    trends: Trends


@dataclass(frozen=True, slots=True)
class Served:
    """A page that a bundle gave."""

    asked: Asked
    rows: Rows
    forward_passes: int


def prompt_of(model: LoadedModel, asked: Asked) -> IntArray:
    """The prompt's tokens, (n,) int32."""
    injection = inject(model.catalog, asked.trends, asked.request.at)
    return model.encoder.encode(asked.context, asked.request, injection).tokens


def grammar_of(model: LoadedModel, asked: Asked) -> PageGrammar:
    """An empty page under the model's rules."""
    return PageGrammar.start(model.catalog, model.rules, asked.context, asked.request, asked.trends)


def serve_pages(
    model: LoadedModel, asked: Sequence[Asked], *, autoregressive: int = 4
) -> Iterator[Served]:
    """Decode a page for each, on the engine that serves; batched as the engine likes."""
    engine = Engine()
    waiting = {
        str(number): PageJob(
            page_id=str(number),
            key=PrefixKey(model.digest, one.request.user_id),
            model=model,
            prompt=prompt_of(model, one),
            grammar=grammar_of(model, one),
            rows=one.request.rows,
            autoregressive=autoregressive,
        )
        for number, one in enumerate(asked)
    }
    rows: dict[str, list[DecodedRow]] = {page_id: [] for page_id in waiting}
    left = list(waiting)
    while left or engine.busy:
        while left and engine.stats().waiting + engine.stats().live < engine.limits.batch:
            engine.submit(waiting.pop(left.pop(0)))
        for output in engine.step():
            match output:
                case RowDecoded():
                    rows[output.page_id].append(DecodedRow(output.row, output.entities))
                case PageFailed():
                    raise output.error
                case PageFinished():
                    done = tuple(rows.pop(output.page_id))
                    yield Served(asked[int(output.page_id)], done, output.forward_passes)


def broken_rules(model: LoadedModel, served: Served) -> Counter[str]:
    """How often the page breaks each rule; empty for a page that is as it must be."""
    catalog = model.catalog
    page = Page(
        tuple(
            PageRow(catalog.rows[r.row].id, tuple(catalog.entities[e].id for e in r.entities))
            for r in served.rows
        )
    )
    asked = served.asked
    found = violations(page, catalog, model.rules, asked.context, asked.request, asked.trends)
    return Counter(violation.rule for violation in found)


class Scorer(Protocol):
    """The plain twin: `model.twin.TorchTwin`."""

    def scores(self, tokens: IntArray) -> NDArray[np.float32]:
        """Logits after the last token, rows then entities in catalog order: (n,) -> (R + E,)."""
        ...


def first_difference(left: Rows, right: Rows) -> int | None:
    """The position on the page (tokens, from 0) where two pages part; None where they do not."""
    a, b = (serialised(rows) for rows in (left, right))
    if a == b:
        return None
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


def serialised(rows: Rows) -> list[tuple[str, int]]:
    """The page as it is decoded: each row, then its entities."""
    return [place for r in rows for place in (("row", r.row), *(("entity", e) for e in r.entities))]


@dataclass(slots=True)
class Comparison:
    """Two decoders over the same members; fold with `add`."""

    pages: int = 0
    identical: int = 0
    ties: int = 0
    apart: list[float] = field(default_factory=list)  # gaps beyond a tie, logits
    same_positions: int = 0
    positions: int = 0
    shared_entities: int = 0
    entities: int = 0

    def add(self, left: Rows, right: Rows, gap: Callable[[int], float] | None = None) -> None:
        """One page of each. ``gap`` tells the logits' gap where they first part."""
        self.pages += 1
        a, b = serialised(left), serialised(right)
        self.positions += max(len(a), len(b))
        self.same_positions += sum(x == y for x, y in zip(a, b, strict=False))
        mine, theirs = ({e for r in rows for e in r.entities} for rows in (left, right))
        self.shared_entities += len(mine & theirs)
        self.entities += max(len(mine), len(theirs))
        difference = first_difference(left, right)
        if difference is None:
            self.identical += 1
        elif gap is not None:
            size = gap(difference)
            if size <= TIE:
                self.ties += 1
            else:
                self.apart.append(size)

    def document(self) -> dict[str, float | int | list[float]]:
        """The result as JSON."""
        return {
            "pages": self.pages,
            "identical": self.identical,
            "ties": self.ties,
            "apart": [round(gap, 6) for gap in self.apart],
            "same_positions": round(self.same_positions / max(1, self.positions), 4),
            "same_entities": round(self.shared_entities / max(1, self.entities), 4),
        }


def logit_gap(
    scorer: Scorer,
    model: LoadedModel,
    served: Served,
    twin: Rows,
    position: int,
    *,
    autoregressive: int = 4,
) -> float:
    """The twin's own logits: how far its choice at ``position`` stands above the bundle's.

    In a fill, where one set of scores places several entities, the scores are those that the
    twin decided it from.
    """
    ours, theirs = serialised(served.rows), serialised(twin)
    if position >= min(len(ours), len(theirs)):
        return float("inf")
    decided = position
    kind, _ = theirs[position]
    if kind == "entity":
        row_start = max(i for i in range(position) if theirs[i][0] == "row")
        decided = min(position, row_start + autoregressive)
    tokens = [
        int(model.row_tokens[index] if kind == "row" else model.entity_tokens[index])
        for kind, index in theirs[:decided]
    ]
    prompt = prompt_of(model, served.asked)
    scores = scorer.scores(np.concatenate([prompt, np.array(tokens, np.int32)]))
    offset = 0 if kind == "row" else len(model.catalog.rows)
    return float(scores[offset + theirs[position][1]] - scores[offset + ours[position][1]])
