"""What is measured, under names that dashboards rely on. One registry a server, none global.

Labels are bounded: routes, reasons and bundle versions, never members or pages. Of the versions
that a server has ever served, the latest few keep their numbers; older ones are let go.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from api.live_page import LivePage
from api.plan import Plan
from runtime.output import PageFinished
from runtime.pace import Source

# Versions whose numbers are kept: more than are ever loaded, so that none in use is let go.
VERSIONS: Final = 16
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SWAPS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
_AGES = (1.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0, 604_800.0, 2_592_000.0)


class Metrics:
    """The server's instruments. Owned by the event loop."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def histogram(name: str, help_: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"genpage_{name}", help_, labels, buckets=buckets, registry=registry)

        def counter(name: str, help_: str, *labels: str) -> Counter:
            return Counter(f"genpage_{name}", help_, labels, registry=registry)

        def gauge(name: str, help_: str, *labels: str) -> Gauge:
            return Gauge(f"genpage_{name}", help_, labels, registry=registry)

        self._first_row = histogram(
            "time_to_first_row_seconds", "Submission to the first row", _SLOW, "version"
        )
        self._interval = histogram("row_interval_seconds", "From row to row", _FAST, "version")
        self._page = histogram("page_seconds", "Submission to the page's end", _SLOW, "version")
        self._queue = histogram("queue_seconds", "Waiting for a slot", _FAST, "version")
        self._prefill = histogram("prefill_seconds", "Running the prompt", _FAST, "version")
        self._decode = histogram("decode_seconds", "Decoding rows", _SLOW, "version")
        self._mask = histogram("mask_build_seconds", "Building a page's eligibility", _FAST)
        self._context_age = histogram(
            "context_age_seconds", "Newest change of the member's context to the request", _AGES
        )
        self._prefix_queries = counter("prefix_cache_queries", "Prompt tokens asked for")
        self._prefix_hits = counter("prefix_cache_hits", "Prompt tokens found in the KV cache")
        self._evictions = counter(
            "prefix_cache_evictions", "Warm prompts that gave way to other pages"
        )
        self._evictions_seen = 0
        self._guesses = counter(
            "draft_guesses", "Drafted decisions by what they came to", "kind", "came"
        )
        self._guesses_seen: Mapping[Source, tuple[int, int]] = {}
        self._pages = counter(
            "pages", "Pages by how they ended; deserted ones as cancelled", "version", "reason"
        )
        self._degraded = counter("degraded_pages", "Pages made without a part", "part")
        self.events = counter("events", "Engagement events accepted")
        self.requests = counter("http_requests", "Answers by route", "route", "method", "status")
        self.request_seconds = histogram(
            "http_request_seconds", "Arrival to the answer's last byte", _SLOW, "route"
        )
        self.kv_usage = gauge("kv_cache_usage_ratio", "KV held against its bound in bytes")
        self.kv_bytes = gauge("kv_cache_bytes", "KV held, of pages under way and of warm prompts")
        self.pages_live = gauge("pages_live", "Pages being decoded")
        self.pages_waiting = gauge("pages_waiting", "Pages waiting for a slot")
        self.checkpoint_age = gauge("checkpoint_age_seconds", "Since the active bundle's export")
        self.swap = histogram(
            "swap_seconds", "Taking a bundle's announcement to pages made with it", _SWAPS
        )
        # By version, the one used last at the end.
        self._versions: OrderedDict[str, set[str]] = OrderedDict()

    def evicted(self, total: int) -> None:
        """So many warm prompts have given way since the start."""
        self._evictions.inc(max(0, total - self._evictions_seen))
        self._evictions_seen = max(total, self._evictions_seen)

    def guessed(self, totals: Mapping[Source, tuple[int, int]]) -> None:
        """Of each kind of guesses so many have been right since the start, of so many."""
        for kind, (right, made) in totals.items():
            before, earlier = self._guesses_seen.get(kind, (0, 0))
            self._guesses.labels(kind, "right").inc(right - before)
            self._guesses.labels(kind, "wrong").inc((made - right) - (earlier - before))
        self._guesses_seen = totals

    @contextmanager
    def mask_build(self) -> Iterator[None]:
        """Time a grammar's start."""
        begun = time.perf_counter()
        yield
        self._mask.observe(time.perf_counter() - begun)

    def admitted(self, plan: Plan) -> None:
        """A page was let in."""
        if plan.note.age_ms is not None:
            self._context_age.observe(plan.note.age_ms / 1000)
        for part in plan.degraded:
            self._degraded.labels(part).inc()

    def first_row(self, page: LivePage, since_ms: float) -> None:
        """A page's first row that goes out was decoded, so long after submission."""
        self._observe(self._first_row, page, since_ms)

    def row(self, page: LivePage, interval_ms: float) -> None:
        """A row was decoded, so long after the one before it that goes out."""
        self._observe(self._interval, page, interval_ms)

    def _observe(self, histogram: Histogram, page: LivePage, ms: float) -> None:
        version = page.plan.model.version
        self._use(version)
        histogram.labels(version).observe(ms / 1000)

    def carried(self, page: LivePage, output: PageFinished) -> None:
        """The engine let go of a page."""
        timing, version = output.timing, page.plan.model.version
        self._use(version)
        self._queue.labels(version).observe(timing.queue_ms / 1000)
        self._prefill.labels(version).observe(timing.prefill_ms / 1000)
        self._decode.labels(version).observe(timing.decode_ms / 1000)
        self._prefix_queries.inc(output.prompt_tokens)
        self._prefix_hits.inc(output.cached_prompt_tokens)

    def ended(self, page: LivePage, outcome: str) -> None:
        """A page ended, as `api.page_listener.PageListener` is told."""
        version = page.plan.model.version
        self._use(version).add(outcome)
        self._pages.labels(version, outcome).inc()
        self._page.labels(version).observe(page.spent.total_ms / 1000)

    def _use(self, version: str) -> set[str]:
        """A version is about to be counted; the outcomes that its pages have had."""
        outcomes = self._versions.setdefault(version, set())
        self._versions.move_to_end(version)
        if len(self._versions) > VERSIONS:
            self._let_go(*self._versions.popitem(last=False))
        return outcomes

    def _let_go(self, version: str, outcomes: set[str]) -> None:
        for outcome in outcomes:
            self._pages.remove(version, outcome)
        for histogram in (
            self._first_row,
            self._interval,
            self._page,
            self._queue,
            self._prefill,
            self._decode,
        ):
            with suppress(KeyError):  # it has no row, or no end, of this version
                histogram.remove(version)
