"""The pipeline's pages: under the rules, from the past alone, better than what trained it."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from dataset.contexts import checked_events, member_contexts
from dataset.folder import DataFolder
from evaluation.multistage.learning import LearningSettings, Trees, learn_pipeline
from evaluation.multistage.pipeline import Pipeline, Plans
from genpage.audit import violations
from genpage.context import Context
from genpage.grammar import DecodedRow, PageGrammar
from genpage.page import Page, PageRow
from genpage.request import PageRequest

FEW = Trees(20, 7, 20)
FAST = LearningSettings(pages=150, engaged_trees=FEW, worth_trees=FEW, row_trees=FEW)


@pytest.fixture(scope="module")
def pipeline(service: DataFolder) -> Pipeline:
    """Learnt before the last day."""
    return learn_pipeline(service, service.days()[-1], settings=FAST)


def rows_of(pipeline: Pipeline, context: Context, request: PageRequest) -> list[DecodedRow]:
    """A page."""
    grammar = PageGrammar.start(pipeline.catalog, pipeline.rules, context, request, pipeline.trends)
    return list(pipeline.rows(context, request, grammar))


def page_of(pipeline: Pipeline, rows: list[DecodedRow]) -> Page:
    """By ids."""
    catalog = pipeline.catalog
    return Page(
        tuple(
            PageRow(catalog.rows[r.row].id, tuple(catalog.entities[e].id for e in r.entities))
            for r in rows
        )
    )


def test_as_many_pages_are_drawn_as_the_settings_say(service: DataFolder) -> None:
    """However unevenly they lie on the days; of fewer, all whose titles were seen."""
    last = service.days()[-1]
    logged = pl.concat([service.impressions(day, day) for day in service.days()[:-1]])
    seen = logged.filter(pl.col("seen"))["page_id"].n_unique()
    found = learn_pipeline(service, last, settings=replace(FAST, pages=40)).rankers.pages
    missing = logged["page_id"].n_unique() - seen
    assert 40 - missing <= found <= 40
    few = replace(FAST, pages=LearningSettings().pages)
    assert learn_pipeline(service, last, settings=few).rankers.pages == seen


def test_no_page_breaks_a_rule(service: DataFolder, pipeline: Pipeline) -> None:
    """Pages of all members, on all devices, audited by the slow twin; and a stranger's."""
    events = checked_events(service)
    at = float(events["ts"][-1])
    pipeline.advance(at)
    contexts = [*member_contexts(service, events), Context("nobody")]
    for number, context in enumerate(contexts):
        device = ("tv", "phone", "tablet", "web")[number % 4]
        request = PageRequest(context.user_id, at, rows=6, entities_per_row=8, device=device)  # type: ignore[arg-type]
        page = page_of(pipeline, rows_of(pipeline, context, request))
        assert len(page.rows) == 6
        found = violations(
            page, pipeline.catalog, pipeline.rules, context, request, pipeline.trends
        )
        assert not found


def test_a_page_goes_on_where_it_was_left(service: DataFolder, pipeline: Pipeline) -> None:
    """Rows that stand already are not shown again, and the rest is as without a break."""
    events = checked_events(service)
    context = next(iter(member_contexts(service, events)))
    request = PageRequest(context.user_id, float(events["ts"][-1]), rows=5, entities_per_row=6)
    whole = rows_of(pipeline, context, request)
    grammar = PageGrammar.start(pipeline.catalog, pipeline.rules, context, request, pipeline.trends)
    grammar.replay(whole[:2])
    assert list(pipeline.rows(context, request, grammar)) == whole[2:]


def test_plans_are_the_best_that_is_left(pipeline: Pipeline) -> None:
    """Of every row, by value and then by index, among what the grammar would still take."""
    context, request = Context("nobody"), PageRequest("nobody", 1.8e9, entities_per_row=7)
    grammar = PageGrammar.start(pipeline.catalog, pipeline.rules, context, request, pipeline.trends)
    values = np.random.default_rng(0).integers(0, 9, len(pipeline.catalog.entities))
    plans = Plans(grammar, values.astype(np.float32), 7, 3)
    for _ in range(3):
        for row in grammar.allowed_rows().tolist():
            left = grammar.left_for(row).tolist()
            expected = sorted(left, key=lambda title: (-values[title], title))[:7]
            assert plans.best(row).tolist() == expected
        row = int(grammar.allowed_rows()[0])
        grammar.open_row(row)
        grammar.extend(plans.best(row).tolist())


class SlowPlans:
    """Looks through all titles for every plan."""

    def __init__(
        self, grammar: PageGrammar, values: NDArray[np.float32], count: int, rows: int
    ) -> None:
        del rows
        self._grammar, self._values, self._count = grammar, values, count

    def best(self, row: int) -> NDArray[np.int32]:
        """As `Plans.best`."""
        left = self._grammar.left_for(row)
        return left[np.argsort(-self._values[left], kind="stable")[: self._count]]


@pytest.mark.parametrize("unique", [True, False])
def test_kept_orders_give_the_pages_of_the_slow_twin(
    service: DataFolder, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, *, unique: bool
) -> None:
    """Whole pages of several members, whether a title may stand in two rows or not."""
    events = checked_events(service)
    at = float(events["ts"][-1])
    pipeline.advance(at)
    page = replace(pipeline.rules.page, unique_entities=unique)
    pipeline = replace(pipeline, rules=replace(pipeline.rules, page=page))
    contexts = [*member_contexts(service, events)][:12]
    requests = [
        PageRequest(context.user_id, at, rows=8, entities_per_row=9) for context in contexts
    ]
    both = list(zip(contexts, requests, strict=True))
    pages = [rows_of(pipeline, context, request) for context, request in both]
    assert all(len(rows) == 8 for rows in pages)
    monkeypatch.setattr("evaluation.multistage.pipeline.Plans", SlowPlans)
    assert [rows_of(pipeline, context, request) for context, request in both] == pages


def test_all_titles_are_looked_through_once_a_row(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plans after the first look at what the page can still use up of a row's own best alone."""
    context, request = Context("nobody"), PageRequest("nobody", 1.8e9, rows=4, entities_per_row=5)
    looked: list[int] = []
    may_show_of = PageGrammar.may_show_of

    def counted(
        grammar: PageGrammar, rows: NDArray[np.int32], entities: NDArray[np.int32]
    ) -> NDArray[np.bool_]:
        looked.append(len(entities))
        return may_show_of(grammar, rows, entities)

    monkeypatch.setattr(PageGrammar, "may_show_of", counted)
    assert len(rows_of(pipeline, context, request)) == 4
    whole = len(pipeline.catalog.entities)
    assert 0 < looked.count(whole) <= len(pipeline.catalog.rows)
    assert all(count == whole or count <= 4 * 5 for count in looked)
