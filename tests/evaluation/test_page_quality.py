"""``genpage evaluate page-quality``: what its table says, and of which policy."""

import json
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from dataset.folder import DataFolder
from dataset.write import new_folder
from evaluation.intervals import UNKNOWN, Estimate
from evaluation.off_policy import OffPolicy
from evaluation.page_quality import Offline, OfLog, OfPolicy, Served, predictiveness
from evaluation.policy import Policy
from evaluation.support import Support
from evaluation.variety import Variety
from genpage.cli import main
from genpage.cli.page_quality import _table
from genpage.exploration import Exploration
from genpage.rules import Rules
from simulation.service import simulate
from simulation.settings import Settings
from training.start import fresh_checkpoint

ONE = Estimate(0.5, 0.25, 0.75)
SERVED = Served(Variety(ONE, ONE, ONE, 0.1), ONE, None)


def lines(offline: Offline) -> list[str]:
    """The table's."""
    console = Console(width=400)
    with console.capture() as told:
        console.print(_table({"c": offline}, {"c": SERVED}, {}, "greedy"))
    return told.get().splitlines()


def test_an_estimate_tells_how_many_pages_it_rests_on() -> None:
    """Off-policy weights may leave a handful of them; an interval alone would hide that."""
    found = OfPolicy(Policy(), {"ips_page": OffPolicy(ONE, 3.25, 300)}, ONE)
    told = lines(Offline({"entity_auc": ONE}, (found,), OfLog(ONE, None), Support(300, 0, 0)))
    (ips,) = [line for line in told if "ips_page" in line]
    assert "0.25 to 0.75; 3.2 of 300 pages count" in ips
    (auc,) = [line for line in told if "entity_auc" in line]
    assert "count" not in auc


def test_every_figure_says_whose_it_is() -> None:
    """An estimate stands beside the truth of its own policy."""
    policies = tuple(
        OfPolicy(Policy(Exploration(share)), {"ips_page": OffPolicy(ONE, 3.0, 9)}, truth, 7)
        for share, truth in ((0.02, ONE), (1.0, None))
    )
    told = lines(Offline({}, policies, OfLog(ONE, ONE), Support(9, 0, 0)))
    whose = "0.02 drawn at temperature 1"
    assert [whose in line for line in told if "ips_page" in line] == [True, False]
    (never, _) = [line for line in told if "never shows" in line]
    assert (whose in never, " 7 " in never) == (True, True)
    assert policies[0].document()["never_shown"] == 7
    truths = [line for line in told if "true reward, same visits" in line]
    assert ["who served" in truths[0], whose in truths[1], len(truths)] == [True, True, 2]
    (served,) = [line for line in told if "true reward" in line and "same visits" not in line]
    assert "greedy" in served


def test_a_log_that_could_not_have_been_another_is_not_estimated_from() -> None:
    """Said in a line, with what to do, and told in the document."""
    none = Offline({}, (), None, Support(0, 7, 2))
    (line,) = [line for line in lines(none) if "off policy" in line]
    assert "of 9 logged pages 7 were decided throughout" in line
    assert "--explore" in line
    document = none.document()["off_policy"]
    assert isinstance(document, dict)
    assert (document["support"]["status"], document["policies"]) == ("not explored", [])
    assert Support(3, 0, 1).status == "explored"
    partly = Support(3, 4, 0)
    assert (partly.status, "4 that were decided" in partly.told) == ("partly explored", True)


def test_a_log_without_any_reward_tells_so_and_all_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command: what needs rewards is null, and the pages that would be served are judged."""
    data = tmp_path / "data"
    with new_folder(data) as writer:
        simulate(Settings(members=12, entities=60, days=2, seed=2), writer)
    folder = DataFolder(data)
    for day in folder.days():
        file = data / "impressions" / f"{day}.parquet"
        nothing = {"seen": pl.lit(value=False), "action": pl.lit(None, pl.String)}
        pl.read_parquet(file).with_columns(
            duration_s=pl.lit(None, pl.Float64), **nothing
        ).write_parquet(file)
        events = data / "events" / f"{day}.parquet"
        pl.read_parquet(events).with_columns(
            page_id=pl.lit(None, pl.String), row_id=pl.lit(None, pl.String)
        ).write_parquet(events)
    held = tmp_path / "checkpoint"
    fresh_checkpoint(folder.catalog(), "micro", rules=Rules.default(), seed=0).save(held)
    words = ["evaluate", "page-quality", "--data", str(data), "--checkpoint", str(held)]
    main(
        [
            *words,
            "--pages",
            "4",
            "--visits",
            "4",
            "--rows",
            "2",
            "--entities-per-row",
            "3",
            "--json",
        ]
    )
    (model,) = json.loads(capsys.readouterr().out.splitlines()[-1])["models"].values()
    for name in ("entity_auc", "row_auc", "wbc_loss", "page_ndcg"):
        assert model[name] == {"value": None, "ci95": [None, None]}
    assert model["served"]["true_reward"]["value"] is not None


def test_a_metric_that_cannot_be_had_is_told_as_such() -> None:
    """In its own row, with what there would have to be; the others stand as ever."""
    told = lines(Offline({"entity_auc": UNKNOWN, "wbc_loss": ONE}, (), None, Support(0, 7, 2)))
    (auc,) = [line for line in told if "entity_auc" in line]
    assert "cannot be had: needs titles that were rewarded, and others" in auc
    assert "nan" not in auc
    (loss,) = [line for line in told if "wbc_loss" in line]
    assert "0.25 to 0.75" in loss


def test_what_some_model_does_not_know_predicts_nothing() -> None:
    """Left out, whatever the others know."""
    values = [Estimate(value, value, value) for value in (0.6, 0.7)]
    offlines = [
        Offline({"entity_auc": auc, "page_ndcg": ndcg}, (), None, Support(0, 7, 2))
        for auc, ndcg in zip([*values, UNKNOWN], [*values, ONE], strict=True)
    ]
    assert predictiveness(offlines, [1.0, 1.1, 0.9]) == {"page_ndcg": pytest.approx(1.0)}
