"""The pipeline's pages for visits of a log."""

from collections.abc import Sequence

from evaluation.multistage.pipeline import Pipeline
from genpage.page import Page, PageRow
from training.visits import Visit


def pipeline_pages(pipeline: Pipeline, visits: Sequence[Visit]) -> list[Page]:
    """The pipeline's pages; it knows what happened strictly before each visit."""
    catalog = pipeline.catalog
    pages = []
    for visit in visits:
        pipeline.advance(visit.request.at)
        grammar = visit.grammar(catalog, pipeline.rules)
        rows = pipeline.rows(visit.context, visit.request, grammar)
        pages.append(
            Page(
                tuple(
                    PageRow(
                        catalog.rows[row.row].id,
                        tuple(catalog.entities[entity].id for entity in row.entities),
                    )
                    for row in rows
                )
            )
        )
    return pages
