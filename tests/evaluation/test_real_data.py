"""The baselines on the real data are those that were measured apart from this code."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dataset.day import day_start
from evaluation.baselines import TrendingDecay
from evaluation.log import EventLog
from evaluation.metrics import report
from evaluation.next_item import baseline_ranks
from evaluation.targets import targets_between

FOLDER = os.environ.get("GENPAGE_REAL_DATA")


@pytest.mark.real_data
@pytest.mark.skipif(FOLDER is None, reason="GENPAGE_REAL_DATA is not set")
def test_decayed_counts_of_september_2013() -> None:
    """13,190 events; decayed counts reach an HR@10 of .185 and an NDCG@10 of .100-.101."""
    assert FOLDER is not None
    events = pl.read_csv(Path(FOLDER) / "interactions.tsv", separator="\t")
    log = EventLog.of(
        events["user_id"].cast(pl.String).to_list(),
        events["item_id"].to_list(),
        events["timestamp"].cast(pl.Float64).to_numpy(),
    )
    targets = targets_between(log, day_start("2013-09-01"), day_start("2013-10-01"))
    assert len(targets) == 13_190
    own = [targets.own(index) for index in range(len(targets))]
    ranks = baseline_ranks(TrendingDecay(log), targets, own, lambda _: None)
    found = report(ranks, targets.user, targets.rested).overall
    assert found.means is not None
    assert found.means[0] == pytest.approx(0.1847, abs=5e-4)
    assert found.means[1] == pytest.approx(0.1005, abs=5e-4)
    assert np.isfinite(ranks).all()
