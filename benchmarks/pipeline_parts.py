"""Where the pipeline's time goes at a request: its stages one after the other.

The same calls as `Pipeline.rows` makes. The processor's time and not the wall's, so that other work
on the machine is not counted.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.multistage.columns import History
from evaluation.multistage.pipeline import Pipeline, proposed
from genpage.context import Context
from genpage.grammar import PageGrammar
from genpage.request import PageRequest


@dataclass(frozen=True, slots=True)
class Parts:
    """Medians over pages, in ms; ``ranked`` titles are what the forests look at.

    ``rows_ms`` is all but the others: rows planned, ranked and placed, ten times over.
    """

    signals_ms: float
    features_ms: float
    forests_ms: float
    rows_ms: float
    ranked: int
    features: int


def parts_of(
    pipeline: Pipeline, contexts: Sequence[Context], requests: Sequence[PageRequest]
) -> Parts:
    """Of one page each; at least one."""
    lines = [_page(pipeline, *asked) for asked in zip(contexts, requests, strict=True)]
    middle = np.median(np.array(lines), axis=0)
    signals, features, forests, rows = (round(1000 * float(each), 2) for each in middle[:4])
    return Parts(signals, features, forests, rows, int(middle[4]), int(middle[5]))


def _page(pipeline: Pipeline, context: Context, request: PageRequest) -> tuple[float, ...]:
    grammar = _grammar(pipeline, context, request)
    began = time.thread_time()
    for _ in pipeline.rows(context, request, grammar):
        pass
    whole = time.thread_time() - began
    grammar = _grammar(pipeline, context, request)
    marks = [time.thread_time()]
    history = History.of(pipeline.catalog, context)
    signals = pipeline.store.signals(history, request.at)
    titles = proposed(signals, grammar)
    marks.append(time.thread_time())
    profile = context.profile or pipeline.rules.assumed_profile(context.user_id)
    shares = pipeline.segments.shares(profile)
    features = pipeline.features.of(
        titles, signals, history, profile, request, pipeline.rankers.rates, shares
    )
    marks.append(time.thread_time())
    pipeline.rankers.titles.values(features)
    marks.append(time.thread_time())
    stages = np.diff(marks).tolist()
    return *stages, max(0.0, whole - sum(stages)), *map(float, features.shape)


def _grammar(pipeline: Pipeline, context: Context, request: PageRequest) -> PageGrammar:
    return PageGrammar.start(pipeline.catalog, pipeline.rules, context, request, pipeline.trends)
