"""Logged pages are scored as serving would score them: by logits and by what the moment adds."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from dataset.folder import DataFolder
from dataset.write import new_folder
from evaluation import scored_pages
from evaluation.logged_pages import LoggedPage, LoggedPages, read_pages
from evaluation.page_quality import offline
from evaluation.policy import Policy
from evaluation.scored_pages import score_pages, score_places
from evaluation.true_reward import decode
from genpage.exploration import Exploration
from genpage.grammar import DecodedRow
from genpage.rules import Rules
from model.appealing import appeal_over
from model.checkpoint import Checkpoint
from simulation.service import simulate
from simulation.settings import Settings
from tokenizer.prompt import PromptEncoder
from training.start import fresh_checkpoint
from training.visits import PageSize, Visit, Visits

SIZE = PageSize(3, 4)
GREEDY = Policy(autoregressive=2)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """A few members and days."""
    folder = tmp_path_factory.mktemp("scored") / "data"
    with new_folder(folder) as writer:
        simulate(Settings(members=30, entities=120, days=3, seed=2), writer)
    return DataFolder(folder)


@pytest.fixture(scope="module")
def checkpoint(simulated: DataFolder) -> Checkpoint:
    """Random weights that say a lot, of the moment too."""
    torch.set_num_threads(1)
    fresh = fresh_checkpoint(simulated.catalog(), "micro", rules=Rules.default(), seed=0)
    generator = torch.Generator().manual_seed(1)
    loud = {
        name: torch.randn(value.shape, generator=generator)
        for name, value in fresh.weights.items()
        if name.startswith("appeal.") and value.is_floating_point()
    }
    return replace(fresh, weights={**fresh.weights, **loud})


def pages_of(
    folder: DataFolder, checkpoint: Checkpoint, policy: Policy = GREEDY
) -> list[LoggedPage]:
    """The checkpoint's own pages, as if they had been served and seen."""
    catalog = folder.catalog()
    encoder = PromptEncoder(checkpoint.vocabulary)
    visits = Visits.read(folder, catalog, encoder, folder.days()[-1:], count=4, size=SIZE)
    found = []
    pages = decode(checkpoint, catalog, visits, policy)
    for page, visit in zip(pages, visits.visits, strict=True):
        rows = tuple(
            DecodedRow(catalog.row_index(row.row_id) or 0, catalog.indices(row.entity_ids))
            for row in page.rows
        )
        count = sum(len(row.entities) for row in rows)
        one = np.ones(count)
        found.append(LoggedPage(visit.request.user_id, visit, rows, one, one, one / 2, 1.0))
    return found


@pytest.mark.parametrize("serialised", [None, 1, 2])
def test_a_greedy_page_is_certain(
    simulated: DataFolder, checkpoint: Checkpoint, serialised: int | None
) -> None:
    """Under the policy that made it; another one's chance of it is another."""
    checkpoint = replace(checkpoint, serialised=serialised)
    pages = pages_of(simulated, checkpoint)
    worth = np.zeros(len(simulated.catalog().entities))
    policies = [
        Policy(autoregressive=2),
        Policy(Exploration(1.0, 1e-4), 2),
        Policy(Exploration(0.1), 2),
        Policy(Exploration(1.0), 2),
    ]
    scored = score_pages(simulated, checkpoint, pages, worth, policies)
    assert scored.support.document()["status"] == "explored"
    targets = [each.logged.target[each.logged.there] for each in scored.weighed]
    assert targets[0] == pytest.approx(1.0)
    assert targets[1] == pytest.approx(1.0, abs=1e-3)
    # By hand, of the sampled policy's chances: what is not drawn is the best, row and title.
    inner = np.ones(SIZE.entities_per_row, np.bool_)
    inner[0] = False
    later = np.tile(inner, len(targets[0]) // SIZE.entities_per_row)
    assert targets[2][later] == pytest.approx(0.9 + 0.1 * targets[3][later])
    assert (targets[3] < targets[2]).any()


def test_an_explored_page_is_drawn_and_estimated_by_the_same_policy(
    simulated: DataFolder, checkpoint: Checkpoint
) -> None:
    """It is not the greedy one, and has a chance at every place; greedily it has none."""
    policy = Policy(Exploration(0.5, 100.0), 2)
    pages = pages_of(simulated, checkpoint, policy)
    assert [p.rows for p in pages] != [p.rows for p in pages_of(simulated, checkpoint)]
    assert [p.rows for p in pages] == [p.rows for p in pages_of(simulated, checkpoint, policy)]
    worth = np.zeros(len(simulated.catalog().entities))
    scored = score_pages(simulated, checkpoint, pages, worth, [policy, Policy(autoregressive=2)])
    own, greedy = (each.logged.target[each.logged.there] for each in scored.weighed)
    assert (own > 0).all()
    assert (greedy == 0).any()
    assert (scored.weighed[0].never_shown, scored.weighed[1].never_shown) == (0, len(pages))


def test_estimates_stand_beside_the_truth_of_their_policy(
    simulated: DataFolder, checkpoint: Checkpoint
) -> None:
    """On the policy's own pages both are of these: the logged mean, and what they are worth."""
    policy = Policy(Exploration(0.5, 100.0), 2)
    pages = pages_of(simulated, checkpoint, policy)
    worth = np.zeros(len(simulated.catalog().entities))
    scored = score_pages(simulated, checkpoint, pages, worth, [policy])
    own = scored.weighed[0].logged
    served = [
        replace(page, propensity=line[there])
        for page, line, there in zip(pages, own.target, own.there, strict=True)
    ]
    found = offline(
        simulated,
        checkpoint,
        LoggedPages(tuple(served), 0),
        worth,
        policies=[policy, Policy(autoregressive=2)],
    )
    assert found.log is not None
    assert found.log.truth is not None
    of_own, greedy = found.policies
    assert of_own.policy == policy
    assert of_own.truth == found.log.truth
    assert of_own.estimates["ips_page"].estimate.value == pytest.approx(found.log.mean.value)
    assert of_own.estimates["ips_page"].effective == pytest.approx(len(pages))
    assert greedy.truth is not None
    assert greedy.truth != of_own.truth
    assert greedy.estimates["ips_page"].estimate.value != pytest.approx(found.log.mean.value)


def test_pages_that_were_decided_throughout_are_counted_and_left_out(
    simulated: DataFolder, checkpoint: Checkpoint
) -> None:
    """By what is told, or by their certainty where nothing is; an impossible one is dropped."""
    first, second, third, fourth = pages_of(simulated, checkpoint)
    pages = [
        replace(first, declared_share=0.0),
        replace(second, declared_share=None, propensity=second.propensity * 2),
        replace(third, declared_share=None),
        replace(fourth, propensity=fourth.propensity * 0),
        # At so low a temperature that nothing else could come.
        replace(first, propensity=first.propensity * 2),
    ]
    worth = np.zeros(len(simulated.catalog().entities))
    scored = score_pages(simulated, checkpoint, pages, worth, [Policy()])
    support = scored.support
    assert (support.pages, support.unexplored, support.dropped) == (1, 3, 1)
    assert [page.page_id for page in scored.used] == [third.page_id]
    assert len(scored.weighed[0].logged.member) == 1
    none = offline(simulated, checkpoint, LoggedPages(tuple(pages[:2]), 0), worth)
    assert (none.policies, none.log, none.support.status) == ((), None, "not explored")
    assert none.metrics["entity_auc"] is not None


def test_each_page_is_judged_at_its_own_size(
    simulated: DataFolder, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """A phone's pages of short rows beside others: judged at the others' size, they had no chance.

    Nor would it be the same policy's pages that the truth is of.
    """
    catalog = simulated.catalog()
    encoder = PromptEncoder(checkpoint.vocabulary)
    (day,) = simulated.days()[-1:]
    visits = Visits.read(simulated, catalog, encoder, [day], count=6, size=SIZE).visits
    sizes = [PageSize(2, 3), SIZE] * 3
    visits = tuple(asking(visit, size) for visit, size in zip(visits, sizes, strict=True))
    folder = tmp_path / "data"
    shutil.copytree(simulated.path, folder)
    file = folder / "impressions" / f"{day}.parquet"
    lines = pl.read_parquet(file)
    served = []
    pages = decode(checkpoint, catalog, Visits(catalog, visits), GREEDY)
    for page, visit in zip(pages, visits, strict=True):
        first = lines.filter(pl.col("page_id") == visit.page_id)[:1]
        served += [
            first.with_columns(
                row_pos=pl.lit(place, pl.Int32),
                col_pos=pl.lit(column, pl.Int32),
                row_id=pl.lit(row.row_id),
                entity_id=pl.lit(entity),
                propensity=pl.lit(0.5),
                seen=pl.lit(value=True),
                action=pl.lit("play" if column == 1 else None, pl.String),
                duration_s=pl.lit(3600.0 if column == 1 else None, pl.Float64),
            )
            for place, row in enumerate(page.rows)
            for column, entity in enumerate(row.entity_ids)
        ]
    pl.concat(served).write_parquet(file)
    found = read_pages(DataFolder(folder), checkpoint, [day], count=6)
    asked = [(page.visit.request.rows, page.visit.request.entities_per_row) for page in found]
    assert asked == [(2, 3), (3, 4)] * 3
    worth = np.zeros(len(catalog.entities))
    (weighed,) = score_pages(DataFolder(folder), checkpoint, found, worth, [GREEDY]).weighed
    assert weighed.never_shown == 0
    assert weighed.logged.target[weighed.logged.there] == pytest.approx(1.0)
    told = offline(DataFolder(folder), checkpoint, found, worth, policies=[GREEDY])
    assert told.log is not None
    assert told.log.truth == told.policies[0].truth


def asking(visit: Visit, size: PageSize) -> Visit:
    """The visit, asking for a page of that size."""
    request = replace(visit.request, rows=size.rows, entities_per_row=size.entities_per_row)
    return replace(visit, request=request)


def test_pages_of_several_sizes_are_decoded_as_if_each_were_alone(
    simulated: DataFolder, checkpoint: Checkpoint
) -> None:
    """In the order of their visits."""
    catalog = simulated.catalog()
    encoder = PromptEncoder(checkpoint.vocabulary)
    visits = Visits.read(simulated, catalog, encoder, simulated.days()[-1:], count=4, size=SIZE)
    sizes = [PageSize(3, 4), PageSize(1, 2), PageSize(3, 2), PageSize(2, 4)]
    asked = tuple(asking(visit, size) for visit, size in zip(visits.visits, sizes, strict=True))
    pages = decode(checkpoint, catalog, Visits(catalog, asked), GREEDY)
    assert [len(page.rows) for page in pages] == [3, 1, 3, 2]
    assert [len(page.rows[0].entity_ids) for page in pages] == [4, 2, 2, 4]
    alone = [decode(checkpoint, catalog, Visits(catalog, (visit,)), GREEDY) for visit in asked]
    assert pages == [page for (page,) in alone]


@pytest.mark.parametrize("serialised", [None, 2])
def test_a_last_row_that_is_too_short_has_no_chance(
    simulated: DataFolder, checkpoint: Checkpoint, serialised: int | None
) -> None:
    """As rows above it have none: the policy would have filled it, with certainty."""
    checkpoint = replace(checkpoint, serialised=serialised)
    whole = pages_of(simulated, checkpoint)[:2]
    *above, last = whole[0].rows
    count = len(whole[0].reward) - 1
    short = replace(
        whole[0],
        rows=(*above, DecodedRow(last.row, last.entities[:-1])),
        reward=whole[0].reward[:count],
        examined=whole[0].examined[:count],
        propensity=whole[0].propensity[:count],
    )
    worth = np.arange(len(simulated.catalog().entities), dtype=np.float64)
    (found,) = score_pages(simulated, checkpoint, [short, whole[1]], worth, [GREEDY]).weighed
    assert found.never_shown == 1
    own = found.logged.target[0][found.logged.there[0]]
    assert own.tolist() == pytest.approx([1.0] * count + [0.0])
    assert (found.logged.reward[0, count], found.logged.logged[0, count]) == (0.0, 1.0)
    # The title that was cut is what would have stood there, seen as often as the other page's.
    assert found.expected[0, count] == pytest.approx(last.entities[-1] / 2)
    assert found.logged.weights("page")[0].max() == 0.0


def test_what_trended_when_a_page_was_made_could_stand_there(
    simulated: DataFolder, checkpoint: Checkpoint
) -> None:
    """The counts of today would not let it; no log says which counts a page was made by."""
    catalog = simulated.catalog()
    kinds = [row.kind for row in catalog.rows]
    page = pages_of(simulated, checkpoint)[0]
    taken = set(np.argsort(-page.visit.trends.scores)[:60].tolist())
    fresh = page.visit.grammar(catalog, checkpoint.rules)
    fresh.open_row(kinds.index("genre"))
    may = [int(e) for e in fresh.allowed_entities() if int(e) not in taken][:4]
    trending = replace(page, rows=(DecodedRow(kinds.index("trending"), tuple(may)),))
    today = page.visit.grammar(catalog, checkpoint.rules).left_for(kinds.index("trending"))
    assert not set(may) & set(today.tolist())
    left = trending.grammar(catalog, checkpoint.rules).left_for(kinds.index("trending"))
    assert set(may) <= set(left.tolist())


def test_what_follows_a_row_that_trended_is_scored_by_the_page_that_its_chance_is_of(
    simulated: DataFolder, checkpoint: Checkpoint
) -> None:
    """By hand: with what the rows there promise and what stands already, as serving would."""
    catalog = simulated.catalog()
    page = pages_of(simulated, checkpoint)[0]
    today = page.visit.grammar(catalog, checkpoint.rules)
    first = [row.kind for row in catalog.rows].index("trending")
    trending = set(today.left_for(first).tolist())
    genres = [index for index, row in enumerate(catalog.rows) if row.kind == "genre"]
    below = max(genres, key=lambda row: len(set(today.left_for(row).tolist()) - trending))
    left = [int(e) for e in today.left_for(below) if int(e) not in trending]
    may = {int(e) for row in genres for e in today.left_for(row)}
    other = sorted(may - trending - set(left[:4]))[:4]
    rows = (DecodedRow(first, tuple(other)), DecodedRow(below, tuple(left[:4])))
    one = np.ones(8)
    page = replace(page, rows=rows, reward=one, examined=one, propensity=one / 2)
    quiet = {
        name: torch.zeros_like(value) if name.startswith("appeal.") else value
        for name, value in checkpoint.weights.items()
    }
    (scores,) = scored_pages._scores(catalog, replace(checkpoint, weights=quiet), [page])
    appeal = appeal_over(checkpoint, catalog)
    assert appeal is not None
    moment = appeal.page(page.visit.context, page.visit.request, page.visit.trends)
    grammar, at = page.grammar(catalog, checkpoint.rules), len(catalog.rows)
    grammar.open_row(first)
    for title in other:
        moment.titles(grammar)  # what stands is told by and by
        grammar.add(title)
    allowed = grammar.allowed_rows()
    opening = scores[5, allowed] + moment.rows(grammar, allowed)
    grammar.open_row(below)
    titles = grammar.allowed_entities()
    inside = scores[6, at + titles] + moment.titles(grammar)[titles]

    found, found_rows = score_places(simulated, checkpoint, [page])
    assert found_rows.score[1] == pytest.approx(opening[allowed == below][0], abs=1e-4)
    assert found.score[4] == pytest.approx(inside[titles == left[0]][0], abs=1e-4)
    worth = np.zeros(len(catalog.entities))
    drawn = Policy(Exploration(1.0))
    (weighed,) = score_pages(simulated, checkpoint, [page], worth, [drawn]).weighed
    odds = drawn.exploration.odds
    chance = odds(opening)[allowed == below][0] * odds(inside)[titles == left[0]][0]
    assert weighed.logged.target[0, 4] == pytest.approx(float(chance), rel=1e-3)


def test_places_are_scored_alike_with_and_without_chances(
    simulated: DataFolder, checkpoint: Checkpoint
) -> None:
    """And the moment counts: without its weights the scores are others."""
    pages = pages_of(simulated, checkpoint)
    worth = np.zeros(len(simulated.catalog().entities))
    scored = score_pages(simulated, checkpoint, pages, worth, [Policy()])
    titles, rows = score_places(simulated, checkpoint, pages)
    for one, other in ((titles, scored.entities), (rows, scored.rows)):
        assert np.array_equal(one.score, other.score)
        assert np.array_equal(one.page, other.page)
    quiet = {
        name: torch.zeros_like(value) if name.startswith("appeal.") else value
        for name, value in checkpoint.weights.items()
    }
    plain, plain_rows = score_places(simulated, replace(checkpoint, weights=quiet), pages)
    assert not np.allclose(plain.score, titles.score, atol=0.1)
    assert not np.allclose(plain_rows.score, rows.score, atol=0.1)


def test_each_page_is_read_once_by_its_id_and_what_is_gone_is_counted(
    simulated: DataFolder, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """Two pages of one member at one moment stay apart; a title that left takes its pages along."""
    folder = tmp_path / "data"
    shutil.copytree(simulated.path, folder)
    (day,) = simulated.days()[-1:]
    file = folder / "impressions" / f"{day}.parquet"
    lines = pl.read_parquet(file)
    first = lines.filter(pl.col("page_id") == lines["page_id"][0])
    again = first.with_columns(pl.lit("again").alias("page_id"))
    pl.concat([lines, again]).sort("ts", maintain_order=True).write_parquet(file)
    asked = lines["page_id"].n_unique() + 1
    pages = read_pages(DataFolder(folder), checkpoint, [day], count=asked)
    ids = [page.page_id for page in pages]
    assert (len(ids), len(set(ids)), pages.gone) == (asked, asked, 0)
    assert all(page.visit.page_id == page.page_id for page in pages)
    left = first["entity_id"][0]
    shown = lines.filter(pl.col("entity_id") == left)["page_id"].n_unique() + 1
    titles = pl.read_parquet(folder / "entities.parquet")
    titles.filter(pl.col("id") != left).write_parquet(folder / "entities.parquet")
    rest = read_pages(DataFolder(folder), checkpoint, [day], count=asked)
    assert (len(rest), rest.gone) == (asked - shown, shown)
    worth = np.zeros(len(titles) - 1)
    told = offline(DataFolder(folder), checkpoint, rest, worth).document()
    assert told["gone"] == shown
