"""What titles are worth is counted over the days before, and over nothing later."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from dataset.day import day_start
from dataset.folder import DataFolder
from dataset.write import new_folder
from evaluation.title_worth import title_worth
from simulation.service import simulate
from simulation.settings import Settings


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """A few members and days."""
    folder = tmp_path_factory.mktemp("worth") / "data"
    with new_folder(folder) as writer:
        simulate(Settings(members=30, entities=120, days=3, seed=2), writer)
    return DataFolder(folder)


@pytest.mark.parametrize("on_page", [False, True])
def test_what_titles_are_worth_is_of_the_days_before_the_judged_one(
    simulated: DataFolder, tmp_path: Path, *, on_page: bool
) -> None:
    """A title that is played after midnight, elsewhere or on the evening's page, tells nothing."""
    *earlier, judged = simulated.days()
    folder = tmp_path / "data"
    shutil.copytree(simulated.path, folder)
    last = simulated.impressions(earlier[-1], earlier[-1]).filter(pl.col("seen"))[-1]
    own = pl.DataFrame(
        {
            "event_id": ["late"],
            "user_id": last["user_id"],
            "entity_id": last["entity_id"],
            "action": ["play"],
            "ts": [day_start(judged) + 60.0],
            "duration_s": [3600.0],
            "page_id": last["page_id"] if on_page else None,
        }
    )
    file = folder / "events" / f"{judged}.parquet"
    events = pl.read_parquet(file)
    added = own.cast({name: events.schema[name] for name in own.columns})
    pl.concat([added, events], how="diagonal").sort("ts").write_parquet(file)
    until = day_start(judged)
    found = title_worth(DataFolder(folder), earlier, until=until)
    known = title_worth(DataFolder(folder), earlier, until=until + 86_400.0)
    title = simulated.catalog().entity_index(last["entity_id"][0])
    assert title is not None
    assert found[title] < known[title]
    if not on_page:
        # Nobody acted after midnight as it was. Sums over lines come in any order.
        assert found == pytest.approx(title_worth(simulated, earlier, until=until), rel=1e-9)
