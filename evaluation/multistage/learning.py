"""How the pipeline learns from impressed pages: rewards of what was seen, as of each page's time.

Titles are learnt from the earlier pages and rows from the later ones, so that the row ranker meets
the entity ranker's values as serving will: of pages that it did not learn from.

Shape legend: n places of a page, E entities, R rows, F features.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dataset.contexts import checked_events, member_contexts
from dataset.day import day_start
from dataset.folder import DataFolder
from evaluation.multistage.audience import Rates, Segments, request_features
from evaluation.multistage.columns import Columns, History
from evaluation.multistage.page_features import PageFeatures, page_features
from evaluation.multistage.pipeline import Pipeline, Rankers, TitleRanker, row_acts
from evaluation.multistage.row_features import CATEGORIES, ROW_FEATURES, RowFeatures
from evaluation.multistage.store import FeatureStore
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.context import Context
from genpage.errors import DatasetError
from genpage.request import PageRequest
from genpage.rules import Rules
from training.appraisal import Appraisal
from training.bounds import COUNT, RATE, Bounds, check
from training.content import fit_content_encoder
from training.rewards.declaration import Rewards
from training.rewards.labels import RewardLabels

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
_QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}
# As many pages as a model's appeal of titles is learnt from: neither is told more than the other.
PAGES: Final = Appraisal().pages
# Rates are shrunk to the mean reward by so many impressions.
_PRIOR = 50.0


@dataclass(frozen=True, slots=True)
class Trees:
    """How many trees grow, and how."""

    count: int
    leaves: int
    least_in_leaf: int
    learning_rate: float = 0.05

    def __post_init__(self) -> None:
        """Check every number; a wrong one is a `UsageError` naming it."""
        leaves = Bounds(2, whole=True)  # LightGBM's own least
        check(self, count=COUNT, leaves=leaves, least_in_leaf=COUNT, learning_rate=RATE)


@dataclass(frozen=True, slots=True)
class LearningSettings:
    """How much is learnt from, and how trees grow. Chosen on validation days: small ones.

    ``pages`` are drawn, or all there are; ``row_share`` of them, the last ones, are the row
    ranker's. Of the titles that nothing was done with ``idle_share`` are kept, and weigh for the
    others.
    """

    pages: int = PAGES
    row_share: float = 0.3
    idle_share: float = 0.12
    engaged_trees: Trees = Trees(200, 7, 150)
    worth_trees: Trees = Trees(80, 5, 150, 0.04)
    row_trees: Trees = Trees(60, 7, 200, 0.04)

    def __post_init__(self) -> None:
        """Check every number; a wrong one is a `UsageError` naming it."""
        # A page for each ranker at least; what is kept of the idle titles weighs for the others.
        several, some = Bounds(2, whole=True), Bounds(0.0, 1.0, above=True)
        check(self, pages=several, row_share=some, idle_share=some)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The seen places of one page, (n,) each; entity and row by catalog index, in reading order."""

    context: Context
    request: PageRequest
    entity: Ints
    row: Ints
    row_pos: Ints
    reward: Floats
    acted: NDArray[np.bool_]  # anything was done there


def learn_pipeline(
    folder: DataFolder,
    until: str,
    *,
    rules: Rules | None = None,
    rewards: Rewards | None = None,
    settings: LearningSettings | None = None,
    seed: int = 0,
) -> Pipeline:
    """The pipeline as of the midnight that begins the day ``until``.

    It can be asked about later moments: its store knows the folder's later events, and counts
    those strictly before each request.
    """
    settings = settings or LearningSettings()
    catalog, rules = folder.catalog(), rules or Rules.default()
    end = day_start(until)
    events = checked_events(folder)
    contexts = {context.user_id: context for context in member_contexts(folder, events)}
    numbers = {name: number for number, name in enumerate(contexts)}
    columns = Columns.of(
        catalog,
        np.array([numbers[name] for name in events["user_id"].to_list()], np.int64),
        events["entity_id"].to_list(),
        events["ts"].to_numpy(),
        events["action"].to_list(),
        events["duration_s"].to_list(),
    )
    labels = RewardLabels.read(folder, catalog, rewards or Rewards.default(), until=end)
    days = [day for day in folder.days() if day_start(day) < end]
    lessons = _Lessons(catalog, contexts, columns, settings, seed)
    drawn = lessons.read(folder, labels, days)
    if len(drawn) < 2:  # noqa: PLR2004 - one for each ranker
        raise DatasetError(f"the pipeline has no seen pages before {until} to learn from")
    rankers = lessons.learn(drawn)
    # A store of its own: the lessons' one has walked to the end already.
    pipeline = lessons.pipeline(rules, rankers)
    pipeline.store.learn(end)
    pipeline.advance(end)
    return pipeline


class _Lessons:
    """Walks through pages in time. Mutated by every call."""

    def __init__(
        self,
        catalog: Catalog,
        contexts: dict[str, Context],
        columns: Columns,
        settings: LearningSettings,
        seed: int,
    ) -> None:
        self._catalog, self._contexts, self._columns = catalog, contexts, columns
        self._settings, self._chance = settings, np.random.default_rng(seed)
        self._profiles = [context.profile for context in contexts.values()]
        self._encoder = fit_content_encoder(catalog.entities)
        self._store = FeatureStore(catalog, columns)
        self._segments = Segments(catalog, columns, self._profiles)
        self._features = PageFeatures(self._store, self._encoder)
        self._rates: dict[float, Rates] = {}

    def pipeline(self, rules: Rules, rankers: Rankers) -> Pipeline:
        """A pipeline that begins before all events."""
        store = FeatureStore(self._catalog, self._columns, likeness=self._store.likeness)
        return Pipeline(
            store,
            Segments(self._catalog, self._columns, self._profiles),
            PageFeatures(store, self._encoder),
            RowFeatures(self._catalog),
            rules,
            rankers,
        )

    def read(self, folder: DataFolder, labels: RewardLabels, days: Sequence[str]) -> list[_Seen]:
        """A sample of the days' pages in order of time, and each midnight's rates on the way."""
        found: list[_Seen] = []
        counter = _RateCounter(self._catalog)
        drawn = self._drawn(folder, days)
        for day in days:
            self._rates[day_start(day)] = counter.rates()
            lines = labels.valued(folder.impressions(day, day)).filter(pl.col("examined") > 0.5)  # noqa: PLR2004 - seen, or more likely than not
            counter.add(lines)
            found += self._seen(
                lines.filter(pl.col("page_id").is_in(drawn.implode())), labels.rewards.shown.ignored
            )
        self._last = counter.rates()
        return sorted(found, key=lambda page: page.request.at)

    def _drawn(self, folder: DataFolder, days: Sequence[str]) -> pl.Series:
        """The pages to learn from, of all days alike: as many as the settings say, or all."""
        names = pl.concat(
            [folder.impressions(day, day, columns=("page_id",))["page_id"].unique() for day in days]
            or [pl.Series("page_id", [], pl.String)]
        ).sort()
        order = self._chance.permutation(len(names))[: self._settings.pages]
        return names.gather(order)

    def _seen(self, lines: pl.DataFrame, ignored: float) -> Iterator[_Seen]:
        for page in lines.partition_by("page_id", maintain_order=True):
            user_id, at, device = page.select("user_id", "ts", "device").row(0)
            context = self._contexts.get(user_id, Context(user_id)).before(np.nextafter(at, 0))
            entity = [self._catalog.entity_index(name) for name in page["entity_id"]]
            row = [self._catalog.row_index(name) for name in page["row_id"]]
            known = np.array(
                [e is not None and r is not None for e, r in zip(entity, row, strict=True)],
                np.bool_,
            )
            reward = page["reward"].to_numpy().astype(np.float32)[known]
            if known.any():
                yield _Seen(
                    context,
                    PageRequest(user_id, at, device=device),
                    np.array([e or 0 for e in entity], np.int64)[known],
                    np.array([r or 0 for r in row], np.int64)[known],
                    page["row_pos"].to_numpy().astype(np.int64)[known],
                    reward,
                    reward != np.float32(ignored),
                )

    def learn(self, pages: Sequence[_Seen]) -> Rankers:
        """Titles from the earlier pages, rows from the later ones."""
        settings = self._settings
        cut = min(len(pages) - 1, max(1, int(len(pages) * (1 - settings.row_share))))
        parts = [self._title_lines(page) for page in pages[:cut]]
        features, reward, acted = (np.concatenate(part) for part in zip(*parts, strict=True))
        names = list(page_features(self._catalog))
        weight = np.where(acted, 1.0, 1.0 / settings.idle_share).astype(np.float32)
        engaged = self._trees(
            "binary", settings.engaged_trees, features, acted, weight=weight, names=names
        )
        worth = self._trees(
            "regression", settings.worth_trees, features[acted], reward[acted], names=names
        )
        titles = TitleRanker(engaged, worth)
        row_features = RowFeatures(self._catalog)
        lines = [self._row_lines(page, titles, row_features) for page in pages[cut:]]
        columns, came = (np.concatenate(part) for part in zip(*lines, strict=True))
        best = columns[:, ROW_FEATURES.index("best3")].astype(np.float64)
        slope = float(best @ came) / max(1e-9, float(best @ best))
        rows = self._trees(
            "regression",
            settings.row_trees,
            columns,
            came - slope * best,
            names=list(ROW_FEATURES),
            categories=CATEGORIES,
        )
        return Rankers(titles, rows, self._last, slope, len(pages))

    def _trees(
        self,
        objective: str,
        trees: Trees,
        features: Floats,
        label: NDArray[Any],  # of whatever the objective learns: booleans, rewards
        *,
        names: list[str],
        weight: Floats | None = None,
        categories: Sequence[str] = (),
    ) -> lightgbm.Booster:
        parameters = {
            **_QUIET,
            "objective": objective,
            "num_leaves": trees.leaves,
            "learning_rate": trees.learning_rate,
            "min_data_in_leaf": trees.least_in_leaf,
            "feature_fraction": 0.7,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": 5.0,
            "seed": 0,
        }
        data = lightgbm.Dataset(
            features,
            label=label.astype(np.float64),
            weight=weight,
            feature_name=names,
            categorical_feature=list(categories),
            params=_QUIET,
        )
        return lightgbm.train(parameters, data, trees.count)

    def _title_lines(self, page: _Seen) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        acted = page.acted
        keep = acted | (self._chance.random(len(acted)) < self._settings.idle_share)
        return self._of(page, page.entity[keep]), page.reward[keep], acted[keep]

    def _row_lines(
        self, page: _Seen, titles: TitleRanker, row_features: RowFeatures
    ) -> tuple[Floats, Floats]:
        values = titles.values(self._of(page, page.entity))
        positions, starts = np.unique(page.row_pos, return_index=True)
        sizes = np.diff(np.append(starts, len(values)))
        table = np.full((len(positions), int(sizes.max())), np.nan, np.float32)
        for line, start, size in zip(table, starts, sizes, strict=True):
            line[:size] = values[start : start + size]
        asked = request_features(page.context.profile, page.request)
        rates = self._rates_at(page.request.at)
        acts = row_acts(self._catalog, page.context)
        columns = row_features.of(page.row[starts], table, positions, acts, rates, asked)
        return columns, np.add.reduceat(page.reward, starts)

    def _of(self, page: _Seen, titles: Ints) -> Floats:
        """Features as of the page's time."""
        at = page.request.at
        if at - self._learnt >= SECONDS_A_DAY:
            self._learnt = at - at % SECONDS_A_DAY
            self._store.learn(self._learnt)
        self._store.advance(at)
        self._segments.advance(at)
        history = History.of(self._catalog, page.context)
        signals = self._store.signals(history, at)
        profile = page.context.profile
        shares = self._segments.shares(profile)
        return self._features.of(
            titles, signals, history, profile, page.request, self._rates_at(at), shares
        )

    _learnt: float = -np.inf
    _last: Rates

    def _rates_at(self, at: float) -> Rates:
        return self._rates[at - at % SECONDS_A_DAY]


class _RateCounter:
    """Sums of rewards and of seen impressions, a title and a row."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._entity = np.zeros((2, len(catalog.entities)))
        self._row = np.zeros((2, len(catalog.rows)))

    def add(self, lines: pl.DataFrame) -> None:
        """Count seen lines with their ``reward``."""
        for column, sums, find in (
            ("entity_id", self._entity, self._catalog.entity_index),
            ("row_id", self._row, self._catalog.row_index),
        ):
            totals = lines.group_by(column).agg(pl.col("reward").sum(), pl.len().alias("seen"))
            for name, reward, seen in totals.iter_rows():
                index = find(name)
                if index is not None:
                    sums[0, index] += reward
                    sums[1, index] += seen

    def rates(self) -> Rates:
        """Shrunk mean rewards so far."""
        return Rates(_shrunk(self._entity), _shrunk(self._row))


def _shrunk(sums: NDArray[np.float64]) -> Floats:
    mean = sums[0].sum() / max(1.0, sums[1].sum())
    return np.asarray((sums[0] + _PRIOR * mean) / (sums[1] + _PRIOR), np.float32)
