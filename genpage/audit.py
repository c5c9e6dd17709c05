"""The slow twin of eligibility and grammar: reads a finished page and names what breaks a rule.

Plain Python, entity by entity, sharing no code with the masks, so that the two can disagree.
Tests, exports and evaluations hold every page against it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.eligibility import rejected
from genpage.entity import Entity
from genpage.member_rows import member_row
from genpage.objections import objections, selects
from genpage.page import Page
from genpage.profile import Profile
from genpage.request import PageRequest
from genpage.row import MEMBER_ROW_KINDS, Row, Where
from genpage.rules import Rules
from genpage.trends import Trends


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: where on the page (from 0), which rule, what stands there."""

    row: int
    rule: str
    detail: str


def violations(
    page: Page,
    catalog: Catalog,
    rules: Rules,
    context: Context,
    request: PageRequest,
    trends: Trends,
    *,
    shown: Page | None = None,
) -> list[Violation]:
    """Every broken rule of ``page``; ``shown`` are the earlier rows of a continued page."""
    auditor = _Auditor(catalog, rules, context.before(request.at), request, trends)
    auditor.remember(shown or Page())
    return [broken for row in page.rows for broken in auditor.row(row.row_id, row.entity_ids)]


class _Auditor:
    def __init__(
        self,
        catalog: Catalog,
        rules: Rules,
        context: Context,
        request: PageRequest,
        trends: Trends,
    ) -> None:
        self._catalog = catalog
        self._rules = rules
        self._context = context
        self._request = request
        assumed = rules.without_profile
        self._profile = context.profile or Profile(
            context.user_id, profile_type=assumed.profile_type, maturity=assumed.maturity
        )
        self._pins = rules.pinned(catalog)
        self._enough = min(rules.page.minimum_pinned, request.entities_per_row)
        self._rejected = rejected(context)
        # What a member's row may hold is defined by `member_row` alone; there is no second opinion.
        self._filled = {
            kind: set(member_row(kind, catalog, context, trends)) for kind in MEMBER_ROW_KINDS
        }
        self._rows: list[str] = []
        self._entities: set[str] = set()

    def remember(self, shown: Page) -> None:
        for row in shown.rows:
            self._rows.append(row.row_id)
            self._entities.update(row.entity_ids)

    def row(self, row_id: str, entity_ids: tuple[str, ...]) -> Iterator[Violation]:
        place = len(self._rows)
        index = self._catalog.row_index(row_id)
        if index is None:
            yield Violation(place, "known-row", row_id)
            return
        row = self._catalog.rows[index]
        yield from self._placement(place, index, row)
        yield from self._length(place, index, row, len(entity_ids))
        seen_here: set[str] = set()
        for entity_id in entity_ids:
            for rule in self._broken(entity_id, row, seen_here):
                yield Violation(place, rule, entity_id)
            seen_here.add(entity_id)
        self._rows.append(row_id)
        self._entities |= seen_here

    def _placement(self, place: int, index: int, row: Row) -> Iterator[Violation]:
        due = self._pins.get(place)
        if due is not None and due != index:
            pinned = self._catalog.rows[due]
            if not any(self._spent(pinned)) and self._candidates(pinned) >= self._enough:
                yield Violation(place, "pinned-row-missing", pinned.id)
        if due != index and index in self._pins.values():
            yield Violation(place, "pinned-row-elsewhere", row.id)
        for rule in self._spent(row):
            yield Violation(place, rule, row.id)

    def _spent(self, row: Row) -> Iterator[str]:
        if self._rules.page.unique_rows and row.id in self._rows:
            yield "unique-rows"
        limit = self._rules.row_kinds.get(row.kind)
        if limit is not None:
            kinds = [self._kind(shown) for shown in self._rows]
            if kinds.count(row.kind) >= limit.per_page:
                yield "row-kind-limit"

    def _length(self, place: int, index: int, row: Row, length: int) -> Iterator[Violation]:
        expected = self._request.entities_per_row
        if index in self._pins.values():
            expected = min(expected, self._candidates(row))
            if length < self._enough:
                yield Violation(place, "minimum-pinned", row.id)
        if length != expected:
            yield Violation(place, "row-length", f"{length}, not {expected}")

    def _broken(self, entity_id: str, row: Row, seen_here: set[str]) -> Iterator[str]:
        index = self._catalog.entity_index(entity_id)
        if index is None:
            yield "known-entity"
            return
        if entity_id in seen_here:
            yield "repeated-in-row"
        elif self._rules.page.unique_entities and entity_id in self._entities:
            yield "unique-entities"
        entity = self._catalog.entities[index]
        yield from self._against(entity)
        if not self._belongs(entity, row):
            yield "category"

    def _candidates(self, row: Row) -> int:
        return sum(
            self._belongs(entity, row)
            and not any(self._against(entity))
            and not (self._rules.page.unique_entities and entity.id in self._entities)
            for entity in self._catalog.entities
        )

    def _kind(self, row_id: str) -> str | None:
        index = self._catalog.row_index(row_id)
        return None if index is None else self._catalog.rows[index].kind

    def _against(self, entity: Entity) -> Iterator[str]:
        return objections(entity, self._rules, self._profile, self._request, self._rejected)

    def _belongs(self, entity: Entity, row: Row) -> bool:
        if row.entity_ids is not None:
            return entity.id in row.entity_ids
        for kind, filled in self._filled.items():
            if row.kind == kind:
                return self._catalog.entity_positions[entity.id] in filled
        return selects(row.where or Where(), entity, self._request.at)
