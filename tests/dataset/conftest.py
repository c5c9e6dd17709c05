"""A small valid data folder, and a way to break one table of it."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dataset.write import new_folder
from genpage.entity import Entity
from genpage.row import Row, Where

DAY, START = "2026-01-31", 1_769_817_600.0


def entities() -> list[Entity]:
    """Three titles, each with other fields set."""
    return [
        Entity("e1", "film", "One", "A film.", ("Drama",), ("Ann",), 2020, ("en",), (), 0, START),
        Entity("e2", "show", "Two", "", ("Comedy", "Drama"), year=2021, maturity=16),
        Entity("e3", "live", "Three", genres=("Sport",), countries=("BR",), live_from=START),
    ]


def rows() -> list[Row]:
    """A pinned row, one with conditions, one with a list."""
    return [
        Row("continue", "continue", "Continue", pinned_position=0),
        Row("new", "new", "New", Where(("Drama",), kinds=("film",), released_within_days=30.0)),
        Row("hand", "hand", "By Hand", entity_ids=("e1", "e3")),
    ]


def profiles() -> pl.DataFrame:
    """Two members, of one nothing but the needed is known."""
    return pl.DataFrame(
        {
            "user_id": ["u1", "u2"],
            "language": ["en", None],
            "profile_type": ["adult", "kid"],
            "country": ["BR", None],
            "maturity": [18, 7],
            "created_at": [START - 1e6, START],
        }
    )


def events() -> pl.DataFrame:
    """Two events, the later one first."""
    return pl.DataFrame(
        {
            "event_id": ["v2", "v1"],
            "user_id": ["u1", "u2"],
            "entity_id": ["e2", "e1"],
            "action": ["thumbs_up", "play"],
            "ts": [START + 50.0, START + 20.0],
            "duration_s": [None, 600.0],
        }
    )


def impressions() -> pl.DataFrame:
    """One page of two places."""
    return pl.DataFrame(
        {
            "page_id": ["p1", "p1"],
            "user_id": ["u1", "u1"],
            "ts": [START + 10.0, START + 10.0],
            "row_pos": [0, 0],
            "col_pos": [0, 1],
            "row_id": ["hand", "hand"],
            "entity_id": ["e1", "e3"],
            "propensity": [0.5, 1.0],
            "seen": [True, False],
            "action": ["play", None],
            "device": ["tv", "tv"],
            "locale": ["pt-BR", "pt-BR"],
            "simulated": [False, False],
            "explored": [0.5, 0.5],
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder."""
    with new_folder(tmp_path / "data") as writer:
        writer.entities(entities())
        writer.rows(rows())
        writer.profiles(profiles())
        writer.events(DAY, events())
        writer.impressions(DAY, impressions())
    return tmp_path / "data"


Change = Callable[[str, Callable[[pl.DataFrame], pl.DataFrame]], None]


@pytest.fixture
def change(folder: Path) -> Change:
    """Rewrites one file of the folder: its name, and what becomes of the frame."""

    def rewrite(name: str, edit: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        edit(pl.read_parquet(folder / name)).write_parquet(folder / name)

    return rewrite
