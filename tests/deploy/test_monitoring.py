"""The dashboard and the alert rules against the metrics that a live server really exposes."""

import json
import re
import uuid
from itertools import product
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import yaml
from kafka_clients import EVENTS, produce, until
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from promql import asked

from api.app import create_app
from api.compose import Settings, compose
from api.fake import FakeServed, Logbook, fake_catalog
from rollout.refusal import Kind
from runtime.model import LoadedModel
from streaming.broker import Broker
from streaming.messages import Poison
from streaming.topics import READ

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# Parsed YAML and JSON; what is read of them is asserted.
Document = dict[str, Any]
# The names that the project promised to keep.
PROMISED = {
    "genpage_time_to_first_row_seconds",
    "genpage_row_interval_seconds",
    "genpage_page_seconds",
    "genpage_queue_seconds",
    "genpage_prefill_seconds",
    "genpage_decode_seconds",
    "genpage_kv_cache_usage_ratio",
    "genpage_prefix_cache_queries_total",
    "genpage_prefix_cache_hits_total",
    "genpage_mask_build_seconds",
    "genpage_context_age_seconds",
    "genpage_checkpoint_age_seconds",
    "genpage_swap_seconds",
    "genpage_kafka_lag",
    "genpage_degraded_pages_total",
    "genpage_dlq_total",
}
# Prometheus's own, and what it adds to every series.
OWN_METRICS = {"up"}
OWN_LABELS = {"instance", "job"}


def alerts() -> list[Document]:
    """Every alert rule."""
    document = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[Document]:
    """Every panel of the dashboard that shows something."""
    document = json.loads((DEPLOY / "grafana" / "dashboards" / "genpage.json").read_text("utf-8"))
    return [panel for panel in document["panels"] if panel["type"] != "row"]


EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for rule in alerts()},
    **{
        f"{panel['title']}: {target['legendFormat']}": target["expr"]
        for panel in panels()
        for target in panel["targets"]
    },
}


@pytest.fixture
async def exposed(
    kafka: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> dict[str, set[str]]:
    """The metrics of a server on real Redis and Kafka that made pages, with their labels."""
    served = FakeServed.of(fake_catalog(60, 6))
    monkeypatch.setattr(LoadedModel, "load", lambda *_, **__: served)
    broker = Broker(kafka, uuid.uuid4().hex)
    settings = Settings(bundle=Path("bundle"), kafka=broker, redis_url=redis_url)
    server = compose(settings, Logbook().logger())
    app = create_app(server)
    transport = httpx.ASGITransport(app)
    user = uuid.uuid4().hex
    page = {"user_id": user, "rows": 2, "entities_per_row": 2}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        await client.post("/v1/pages", json=page)  # degraded: the broker is not joined yet
        log = server.event_log
        assert log is not None
        await until(lambda: log.state == "ok")
        await produce(kafka, [(user.encode(), b"{")])
        event = {"user_id": user, "entity_id": "e2", "action": "play"}
        await client.post("/v1/events", json=event)

        async def whole() -> bool:
            made = (await client.post("/v1/pages", json=page)).json()
            return bool(made["context"]["known"] and log.consumer.tally.poison)

        await until(whole)
        text = (await client.get("/metrics")).text
    assert user not in text
    assert EVENTS in text
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        total = {"counter": "_total", "histogram": "_bucket"}.get(family.type, "")
        names = {family.name + total, *(sample.name for sample in family.samples)}
        for name in names:
            labels.setdefault(name, set())
        for sample in family.samples:
            labels[sample.name] |= set(sample.labels)
    return labels


async def test_what_is_asked_for_is_there(exposed: dict[str, set[str]]) -> None:
    """Every metric and label of every expression; the promised names; one server for all of it."""
    stems = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed} | set(exposed)
    assert stems >= PROMISED
    missing = [
        f"{where}: {each.metric} {sorted(each.labels)}"
        for where, expression in EXPRESSIONS.items()
        for each in asked(expression)
        if each.metric not in OWN_METRICS
        and (
            each.metric not in exposed
            # A family without a sample yet tells no labels.
            or (exposed[each.metric] and not each.labels <= exposed[each.metric] | OWN_LABELS)
        )
    ]
    assert missing == []
    assert not {label for labels in exposed.values() for label in labels} & {"user_id", "user"}


def test_a_first_occurrence_is_an_increase() -> None:
    """What is judged by its increase is there from the start, under every label it will have."""
    broker = Broker("127.0.0.1:1", uuid.uuid4().hex)
    server = compose(Settings(kafka=broker), Logbook().logger())
    text = generate_latest(server.metrics.registry).decode()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    fresh = {(s.name, *sorted(s.labels.values())) for s in samples if s.value == 0.0}
    judged = {each.metric for rule in alerts() for each in asked(rule["expr"]) if each.increase}
    assert judged > {"genpage_dlq_total", "genpage_bundles_refused_total"}
    assert judged <= {name for name, *_ in fresh}
    for kind in get_args(Kind):
        assert ("genpage_bundles_refused_total", kind) in fresh
    for topic, kind in product(READ, (*get_args(Poison), "refused", "unreadable")):
        assert ("genpage_dlq_total", *sorted((topic.name, kind))) in fresh


@pytest.mark.parametrize("where", sorted(EXPRESSIONS))
def test_expressions_are_promql(where: str) -> None:
    """Each parses and asks for something."""
    assert asked(EXPRESSIONS[where])


def test_nonsense_is_no_promql() -> None:
    """The parser does tell."""
    with pytest.raises(ValueError, match="parenthesis"):
        asked("sum by (rate(x[5m])")


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule: Document) -> None:
    """A severity, a summary, and a chapter of the runbook that is there."""
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in headings}
    assert anchor in anchors
    assert anchor == rule["alert"].lower()


def test_panels_have_a_place_of_their_own() -> None:
    """Ids are unique, nothing overlaps, every panel asks the provisioned source."""
    shown = panels()
    assert len({panel["id"] for panel in shown}) == len(shown)
    taken: set[tuple[int, int]] = set()
    for panel in shown:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        assert place["x"] + place["w"] <= 24
    source = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text("utf-8")
    )
    (uid,) = {panel["datasource"]["uid"] for panel in shown}
    assert uid == source["datasources"][0]["uid"]


def test_prometheus_looks_where_the_services_are() -> None:
    """Its rules are beside it, its targets and Grafana's source are compose's services."""
    document = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    for name in document["rule_files"]:
        assert (DEPLOY / "prometheus" / name).is_file()
    jobs = {
        job["job_name"]: job["static_configs"][0]["targets"] for job in document["scrape_configs"]
    }
    assert jobs["genpage"] == ["server:8700"]
    assert services["server"]["ports"][0].endswith(":8700")
    provider = DEPLOY / "grafana" / "provisioning" / "dashboards" / "genpage.yml"
    (folder,) = [
        p["options"]["path"] for p in yaml.safe_load(provider.read_text("utf-8"))["providers"]
    ]
    assert any(volume.split(":")[1] == folder for volume in services["grafana"]["volumes"])
