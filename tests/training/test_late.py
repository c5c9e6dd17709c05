"""Nothing that happened at or after a run's bound is in what it trains on."""

from pathlib import Path

import polars as pl
import pytest

from dataset.day import day_start
from dataset.folder import DataFolder
from dataset.schema import EVENTS, IMPRESSIONS, PROFILES
from dataset.write import new_folder
from genpage.entity import Entity
from genpage.row import Row
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import Vocabulary
from training.examples import ExampleBuilder
from training.late import UNDATED_S
from training.options import Options
from training.pages import Pages
from training.pretrain import Pretraining
from training.run import Run
from training.timeline import Timeline

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
MIDNIGHT = day_start(DAYS[1])
FIELDS = ("user_id", "entity_id", "action", "ts")

Act = tuple[str, str, str, float]  # page, entity, action, time
Cells = dict[str, list[tuple[str, str | None]]]  # page -> (entity, action) in one row


def service(
    path: Path, pages: Cells, acts: list[Act], *, shown: float, seated: bool = True
) -> DataFolder:
    """Pages of one row that were shown at ``shown``, and what was done on them."""
    impressions = [
        {
            "page_id": page,
            "user_id": f"u-{page}",
            "ts": shown,
            "row_pos": 0,
            "col_pos": col,
            "row_id": "r",
            "entity_id": entity,
            "propensity": 0.5,
            "action": action,
            "seen": True,
            "device": "tv",
            "simulated": True,
        }
        for page, cells in pages.items()
        for col, (entity, action) in enumerate(cells)
    ]
    events = [
        {
            "event_id": f"v{number}",
            "user_id": f"u-{page}",
            "entity_id": entity,
            "action": action,
            "ts": ts,
            **({"page_id": page, "row_id": "r", "row_pos": 0, "col_pos": 0} if seated else {}),
        }
        for number, (page, entity, action, ts) in enumerate(acts)
    ]
    with new_folder(path) as writer:
        writer.entities([Entity(f"e{n}", "film", f"Film {n}") for n in range(4)])
        writer.rows([Row("r", "genre", "Row", entity_ids=tuple(f"e{n}" for n in range(4)))])
        writer.profiles(pl.DataFrame(schema=PROFILES.schema))
        writer.impressions(DAYS[0], pl.DataFrame(impressions, schema=IMPRESSIONS.schema))
        for day in DAYS:
            start = day_start(day)
            own = [event for event in events if start <= float(str(event["ts"])) < start + 86_400]
            writer.events(day, pl.DataFrame(own, schema=EVENTS.schema))
    return DataFolder(path)


def read(folder: DataFolder, until: float = MIDNIGHT) -> Pages:
    """The pages of the first day."""
    return Pages.read(folder, Vocabulary().grown(folder.catalog()), DAYS[:1], None, until=until)


LATE_PAGE: Cells = {
    "late": [("e0", "play"), ("e1", None)],
    "early": [("e2", "play"), ("e3", None)],
}
SHOWN = MIDNIGHT - 600.0


@pytest.mark.parametrize("seated", [True, False])
def test_a_page_acted_on_after_midnight_carries_no_positive_from_that_act(
    tmp_path: Path, seated: bool
) -> None:
    """Shown before midnight, acted on after it: the day before knows nothing of the act."""
    acts = [("late", "e0", "play", MIDNIGHT), ("early", "e2", "play", MIDNIGHT - 1.0)]
    folder = service(tmp_path / "d", LATE_PAGE, acts, shown=SHOWN, seated=seated)
    assert read(folder).page_ids == ("early",)
    assert read(folder, float("inf")).page_ids == ("early", "late")


def test_one_late_act_takes_its_page_with_it(tmp_path: Path) -> None:
    """A page that replays a log shows a title because it was acted on: to show it tells already."""
    cells: Cells = {"p": [("e0", "play"), ("e1", "thumbs_up")]}
    acts = [("p", "e0", "play", MIDNIGHT - 60.0), ("p", "e1", "thumbs_up", MIDNIGHT + 60.0)]
    assert len(read(service(tmp_path / "d", cells, acts, shown=SHOWN))) == 0


@pytest.mark.parametrize(("age", "kept"), [(600.0, False), (UNDATED_S, True)])
def test_an_act_without_an_event_may_have_come_late(tmp_path: Path, age: float, kept: bool) -> None:
    """Nobody knows when it happened: only a page that is old enough is taken."""
    folder = service(tmp_path / "d", {"p": [("e0", "play")]}, [], shown=day_start(DAYS[1]) - age)
    assert len(read(folder)) == int(kept)


def test_acts_of_an_earlier_visit_do_not_date_a_page(tmp_path: Path) -> None:
    """The member's own earlier play of a title is not the act on this page."""
    acts = [("p", "e0", "play", SHOWN - 5.0), ("p", "e0", "play", MIDNIGHT + 5.0)]
    folder = service(tmp_path / "d", {"p": [("e0", "play")]}, acts, shown=SHOWN, seated=False)
    assert len(read(folder)) == 0


def test_a_run_to_a_day_sees_no_act_of_that_day(tmp_path: Path) -> None:
    """``--to`` bounds the acts too, not only the pages: the run has the early page alone."""
    acts = [("late", "e0", "play", MIDNIGHT + 1.0), ("early", "e2", "play", MIDNIGHT - 1.0)]
    folder = service(tmp_path / "d", LATE_PAGE, acts, shown=SHOWN)
    run = Run(Options(folder.path, tmp_path / "c", size="tiny", steps=1, to=DAYS[1]), Pretraining())
    assert run.pages == 1


def test_a_split_page_tells_no_act_from_after_the_bound(tmp_path: Path) -> None:
    """What was done on its first rows after the bound does not stand behind ``<acted>``."""
    cells: Cells = {"p": [("e0", "play"), ("e1", None)]}
    acts = [("p", "e0", "play", MIDNIGHT - 60.0), ("p", "e0", "thumbs_up", MIDNIGHT + 60.0)]
    folder = service(tmp_path / "d", cells, acts, shown=SHOWN)
    catalog = folder.catalog()
    timeline = Timeline.read(folder, catalog, Vocabulary().grown(catalog))
    pages = read(folder, float("inf"))
    timeline.learn_injections(pages.ts)
    encoder = PromptEncoder(timeline.vocabulary, history_tokens=128)
    told = [
        len(ExampleBuilder(timeline, pages, encoder, until=until)._acted("p", 1))
        for until in (MIDNIGHT, float("inf"))
    ]
    assert told[1] == told[0] + 4
