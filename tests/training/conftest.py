"""A small service on disk: members who watch one genre, pages of which they play that genre's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from dataset.day import day_start
from dataset.folder import DataFolder
from dataset.write import new_folder
from genpage.cli import main
from genpage.entity import Entity
from genpage.row import Row, Where
from genpage.rules import Rules
from model.checkpoint import Checkpoint
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import Vocabulary
from training.batches import Batch, BatchStream
from training.candidates import Candidates
from training.examples import ExampleBuilder
from training.pages import Pages
from training.rewards.declaration import Rewards
from training.rewards.labels import RewardLabels
from training.start import fresh_checkpoint
from training.timeline import Timeline

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")
GENRES = ("Drama", "Comedy", "Crime")
ENTITIES = 36
MEMBERS = 24
PER_ROW = 4
Lines = list[dict[str, object]]


def entities() -> list[Entity]:
    """Films by genre; the last one is released on the third day."""
    start = day_start(DAYS[0])
    return [
        Entity(
            id=f"e{n}",
            kind="film",
            title=f"{GENRES[n % 3]} number {n}",
            synopsis=f"a {GENRES[n % 3].lower()} film",
            genres=(GENRES[n % 3],),
            year=2000 + n,
            duration_s=6000.0,
            released_at=day_start(DAYS[2]) if n == ENTITIES - 1 else start - 86_400.0 * (n + 1),
        )
        for n in range(ENTITIES)
    ]


def rows() -> list[Row]:
    """One row a genre."""
    return [Row(f"r-{g}", "genre", g, where=Where(genres_any=(g,))) for g in GENRES]


def visit(member: int, day: str, chance: np.random.Generator) -> tuple[Lines, Lines]:
    """One page of three rows and what the member did on it: (impressions, events)."""
    ts = day_start(day) + 3600.0 * member / 2 + 100.0
    page_id, user_id = f"p-{day}-{member}", f"u{member}"
    impressions: Lines = []
    events: Lines = []
    for row_pos, genre in enumerate(chance.permutation(3)):
        released = ENTITIES // 3 - (day < DAYS[2])
        shown = chance.permutation(released)[:PER_ROW] * 3 + genre
        for col_pos, entity in enumerate(shown):
            played = genre == member % 3 and col_pos < 2
            impressions.append(
                {
                    "page_id": page_id,
                    "user_id": user_id,
                    "ts": ts,
                    "row_pos": row_pos,
                    "col_pos": col_pos,
                    "row_id": f"r-{GENRES[genre]}",
                    "entity_id": f"e{entity}",
                    "propensity": 0.1,
                    "seen": True,
                    "action": "play" if played else None,
                    "device": "tv",
                    "locale": None,
                    "simulated": True,
                }
            )
            if played:
                events.append(
                    {
                        "event_id": f"{page_id}-{entity}",
                        "user_id": user_id,
                        "entity_id": f"e{entity}",
                        "action": "play",
                        "ts": ts + 60.0 * (1 + len(events)),
                        "duration_s": 5000.0,
                        "page_id": page_id,
                        "row_id": f"r-{GENRES[genre]}",
                        "row_pos": row_pos,
                        "col_pos": col_pos,
                    }
                )
    return impressions, events


def write_service(path: Path) -> Path:
    """Write the service; the same one every time."""
    chance = np.random.default_rng(5)
    with new_folder(path) as writer:
        writer.entities(entities())
        writer.rows(rows())
        writer.profiles(
            pl.DataFrame(
                [
                    {
                        "user_id": f"u{member}",
                        "language": "en",
                        "profile_type": "adult",
                        "country": "US",
                        "maturity": 18,
                        "created_at": 0.0,
                    }
                    for member in range(MEMBERS)
                ]
            )
        )
        for day in DAYS:
            visits = [visit(member, day, chance) for member in range(MEMBERS)]
            writer.impressions(day, pl.DataFrame([line for v in visits for line in v[0]]))
            writer.events(day, pl.DataFrame([line for v in visits for line in v[1]]))
    return path


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service's folder."""
    return write_service(tmp_path_factory.mktemp("service") / "data")


@pytest.fixture(scope="session")
def folder(service: Path) -> DataFolder:
    """The service, to read."""
    return DataFolder(service)


@pytest.fixture(scope="session", autouse=True)
def in_float32() -> Iterator[None]:
    """On any machine: curves are compared to more digits than bfloat16 has (`test_machine`)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "get_capabilities", dict)
        yield


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices gain nothing from threads, and a busy machine makes them wait."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def timeline(folder: DataFolder) -> Timeline:
    """What was known when, over a vocabulary of the whole catalog."""
    catalog = folder.catalog()
    return Timeline.read(folder, catalog, Vocabulary().grown(catalog))


@pytest.fixture(scope="session")
def pages(folder: DataFolder, timeline: Timeline) -> Pages:
    """All pages, their injections prepared."""
    read = Pages.read(folder, timeline.vocabulary, folder.days(), None)
    timeline.learn_injections(read.ts)
    return read


@pytest.fixture
def batch(service: Path, timeline: Timeline, pages: Pages) -> tuple[Checkpoint, Batch]:
    """A few pages of the small service, with rewards as weights."""
    start = fresh_checkpoint(timeline.catalog, "micro", rules=Rules.default(), seed=1)
    folder = DataFolder(service)
    labels = RewardLabels.read(folder, timeline.catalog, Rewards.default())
    read = Pages.read(folder, timeline.vocabulary, folder.days(), 4, labels=labels)
    timeline.learn_injections(np.concatenate([read.ts, pages.ts]))
    stream = BatchStream(
        ExampleBuilder(timeline, read, PromptEncoder(timeline.vocabulary), until=float("inf")),
        np.zeros(len(read)),
        Candidates.of(timeline.vocabulary, timeline.catalog, torch.device("cpu")),
        timeline.vocabulary.fallbacks(),
        batch_tokens=600,
        seed=0,
    )
    examples = [stream.builder.build(page, np.random.default_rng(0)) for page in range(2)]
    return start, stream.batch(examples, None)


@pytest.fixture(scope="session")
def start(service: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A micro model after the first day, by the command."""
    out = tmp_path_factory.mktemp("start") / "checkpoint"
    flags = ["--size", "micro", "--to", DAYS[1], "--history-tokens", "128", "--passes", "1"]
    main(["train", "histories", "--data", str(service), "--out", str(out), *flags, "--json"])
    return out


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many pages impressions were read, each time that `Pages` were made of some."""
    counts: list[int] = []
    of = Pages.of

    def counted(impressions: pl.DataFrame, *how: Any) -> Pages:  # noqa: ANN401 - as `Pages.of`
        counts.append(impressions["page_id"].n_unique())
        return of(impressions, *how)

    monkeypatch.setattr(Pages, "of", counted)
    return counts
