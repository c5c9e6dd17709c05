"""The pipeline behind the model's routes: the same API, the same rules."""

from datetime import UTC, datetime

import orjson
import pytest

from api.app import create_app
from api.fake import FakeServed, FakeServer
from benchmarks.asgi_client import ask
from benchmarks.pipeline_engine import pipeline_server
from benchmarks.pipeline_parts import parts_of
from dataset.contexts import checked_events, member_contexts
from dataset.folder import DataFolder
from evaluation.multistage.learning import LearningSettings, Trees, learn_pipeline
from evaluation.multistage.page_features import page_features
from evaluation.multistage.pipeline import Pipeline
from genpage.audit import violations
from genpage.page import Page, PageRow
from genpage.request import PageRequest

FEW = Trees(10, 7, 20)
SETTINGS = LearningSettings(pages=60, engaged_trees=FEW, worth_trees=FEW, row_trees=FEW)


@pytest.fixture(scope="module")
def pipeline(service: DataFolder) -> Pipeline:
    """Learnt before the last day, and as of the data's end."""
    learnt = learn_pipeline(service, service.days()[-1], settings=SETTINGS)
    learnt.advance(float(checked_events(service)["ts"][-1]) + 1.0)
    return learnt


async def test_its_pages_come_over_the_same_routes(service: DataFolder, pipeline: Pipeline) -> None:
    """Streamed row by row and gathered as JSON, whole, and breaking no rule."""
    fake = FakeServer.of(served=FakeServed.of(pipeline.catalog, pipeline.rules))
    contexts = list(member_contexts(service, checked_events(service)))[:5]
    fake.contexts.load(contexts)
    at = float(checked_events(service)["ts"][-1]) + 60.0
    app = create_app(pipeline_server(pipeline, fake.server))
    async with app.router.lifespan_context(app):
        for context in contexts:
            clock = datetime.fromtimestamp(at, UTC).isoformat()
            shape = {"rows": 4, "entities_per_row": 6, "device": "web", "at": clock}
            body = orjson.dumps({"user_id": context.user_id, **shape})
            stream = await ask(app, "POST", "/v1/pages", "text/event-stream", body)
            assert stream.content.count(b"event: row\n") == 4
            answer = await ask(app, "POST", "/v1/pages", "application/json", body)
            document = orjson.loads(answer.content)
            assert document["finish_reason"] == "complete"
            assert document["model"]["version"] == "multistage"
            page = Page(
                tuple(
                    PageRow(row["row"]["id"], tuple(title["id"] for title in row["entities"]))
                    for row in document["rows"]
                )
            )
            trends = fake.server.stores.trends(at, pipeline.catalog)
            request = PageRequest(context.user_id, at, rows=4, entities_per_row=6)
            assert not violations(page, pipeline.catalog, pipeline.rules, context, request, trends)


def test_its_parts_are_of_whole_pages(service: DataFolder, pipeline: Pipeline) -> None:
    """Every stage takes time, over all the titles and features that a request looks at."""
    contexts = list(member_contexts(service, checked_events(service)))[:3]
    at = float(checked_events(service)["ts"][-1]) + 60.0
    requests = [PageRequest(c.user_id, at, rows=4, entities_per_row=6) for c in contexts]
    parts = parts_of(pipeline, contexts, requests)
    assert parts.features == len(page_features(pipeline.catalog))
    assert 0 < parts.ranked <= len(pipeline.catalog.entities)
    assert min(parts.signals_ms, parts.features_ms, parts.forests_ms, parts.rows_ms) > 0
