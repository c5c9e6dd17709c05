"""The MovieTweetings importer on a small hand-made folder, and on the real one where it is."""

import os
from pathlib import Path

import polars as pl
import pytest

from dataset.checks import CHECKS, is_identifier
from dataset.movietweetings import derived_rows, read_movietweetings
from dataset.schema import EVENTS
from genpage.catalog import SECONDS_A_DAY
from genpage.errors import DatasetError

JANUARY_2013 = 1_356_998_400
START = 1_362_062_307  # the end of February 2013
LATER = START + 20 * int(SECONDS_A_DAY)
ITEMS = """item_id\ttitle\tyear\tgenres
tt0000001\tOld Film\t1950\tDrama|Comedy|Drama
tt0000002\tNew Film\t2013\tHorror
tt0000003\tNo Year\t\t
tt0000001\tTwice\t1950\tDrama
tt9\tMalformed\t1950\tDrama
tt0000004\t \t1950\tDrama
tt0000005\tShort line\t1950
tt0000006\tYear nought\t0\tDrama
tt0000007\tNo number\tsoon\tDrama
tt0000008\tFar away\t99999\tDrama
"""
RATINGS = f"""user_id\titem_id\trating\ttimestamp
1\ttt0000001\t8\t{START}
1\ttt0000003\t4\t{START + 60}
2\ttt0000001\t5\t{START + 30}
2\ttt0000002\t10\t{LATER}
2\ttt0000002\t10\t{LATER}
2\ttt0000009\t7\t{LATER}
2\ttt0000001\t11\t{LATER}
2\ttt0000001\tten\t{LATER}
2\ttt0000001\t7\t-5
\ttt0000001\t7\t{LATER}
2\ttt0000001\t7
a\x00b\ttt0000001\t7\t{LATER}
{"u" * 129}\ttt0000001\t7\t{LATER}
"""
SYNOPSES = """{"item_id": "tt0000001", "synopsis": "A man.", "cast": ["Ann", "Bob"]}
{"item_id": "tt0000002", "synopsis": 7}
not json
{"title": "no id"}
[1]
{"item_id": ["tt0000001"], "synopsis": "A list for an id."}
{"item_id": "tt0000002", "synopsis": "A name for a cast.", "cast": "Ann"}
{"item_id": "tt0000009", "synopsis": "Of no title."}
{"item_id": "tt0000001", "synopsis": "Another man."}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with good lines and one bad line of each sort."""
    (tmp_path / "items.tsv").write_text(ITEMS)
    (tmp_path / "interactions.tsv").write_text(RATINGS)
    (tmp_path / "synopses.jsonl").write_text(SYNOPSES)
    return tmp_path


def test_good_lines_become_nouns(source: Path) -> None:
    """Ratings of 8 and more are thumbs up, of 4 and less down, others plays; times are kept."""
    imported = read_movietweetings(source)
    assert [(e.event_id, e.user_id, e.action) for e in imported.events] == [
        ("mt-2", "1", "thumbs_up"),
        ("mt-4", "2", "play"),
        ("mt-3", "1", "thumbs_down"),
        ("mt-5", "2", "thumbs_up"),
    ]
    assert [(p.user_id, p.ts) for p in imported.profiles] == [("1", START), ("2", START + 30)]
    first = imported.entities[0]
    assert (first.genres, first.synopsis, first.cast) == (
        ("Drama", "Comedy"),
        "A man.",
        ("Ann", "Bob"),
    )


def test_release_times_are_estimated_as_the_module_says(source: Path) -> None:
    """A recent title first rated later is new then; an old one has its year's first day."""
    released = {e.id: e.released_at for e in read_movietweetings(source).entities}
    assert released["tt0000002"] == LATER
    old = released["tt0000001"]
    assert old is not None
    assert old < JANUARY_2013
    assert released["tt0000003"] == START + 60


def test_every_bad_line_is_counted_with_its_place(source: Path) -> None:
    """Nothing is dropped in silence, and the reason is said."""
    dropped = read_movietweetings(source).dropped
    assert dropped.counts == {
        "title: item_id stands twice": 1,
        "title: malformed item_id": 1,
        "title: no title": 1,
        "title: not four fields": 1,
        "title: year not from 1870 to 2100": 3,
        "rating: stands twice": 1,
        "rating: unknown item_id": 1,
        "rating: not a whole number from 0 to 10": 2,
        "rating: not a plausible Unix time": 1,
        "rating: no user_id": 1,
        "rating: not four fields": 1,
        "rating: user_id is not 1 to 128 printable characters": 2,
        "synopsis: not text": 1,
        "synopsis: not a document with item_id and synopsis": 3,
        "synopsis: item_id is not text": 1,
        "synopsis: cast is not a list of names": 1,
        "synopsis: unknown item_id": 1,
        "synopsis: item_id stands twice": 1,
    }
    assert dropped.examples["rating: unknown item_id"] == ["interactions.tsv:7"]


def test_missing_synopses_are_told(source: Path) -> None:
    """Titles without any text train a worse model; whoever imports them should know."""
    (source / "synopses.jsonl").unlink()
    imported = read_movietweetings(source)
    assert imported.dropped.counts["synopsis: the file is missing; titles go without"] == 1
    assert not any(entity.synopsis for entity in imported.entities)


@pytest.mark.parametrize("text", ["", "a", "a\x00", "é", "a\u200b", "n" * 128, "n" * 129, "\ue000"])
def test_an_id_is_one_in_a_column_and_alone(text: str) -> None:
    """The importer drops what validation would refuse, and nothing else."""
    check = next(c for c in CHECKS[EVENTS] if c.kind == "bad-id" and c.column == "user_id")
    frame = pl.DataFrame({"user_id": [text]})
    assert frame.select(check.bad).item() is not is_identifier(text)


@pytest.mark.parametrize("name", ["items.tsv", "interactions.tsv"])
def test_a_missing_file_is_named(source: Path, name: str) -> None:
    """The message says which file and which flag."""
    (source / name).unlink()
    with pytest.raises(DatasetError, match=f"{name} is missing.*--source"):
        read_movietweetings(source)


@pytest.mark.parametrize("name", ["items.tsv", "interactions.tsv"])
def test_a_file_without_its_heading_is_refused(source: Path, name: str) -> None:
    """Its first line would be taken for the heading and lost; the message shows the heading."""
    heading, rest = (source / name).read_text().split("\n", 1)
    (source / name).write_text(rest)
    with pytest.raises(DatasetError, match=f"{name} .*{heading.replace(chr(9), ' ')}"):
        read_movietweetings(source)


@pytest.mark.parametrize("name", ["items.tsv", "interactions.tsv"])
def test_a_file_without_a_usable_line_is_refused(source: Path, name: str) -> None:
    """An empty source is an error, not an empty data folder."""
    heading = (source / name).read_text().split("\n", 1)[0]
    (source / name).write_text(f"{heading}\nnonsense\n")
    with pytest.raises(DatasetError, match=f"{name} has no"):
        read_movietweetings(source)


def test_synopses_are_optional(source: Path) -> None:
    """Without them titles have no synopsis, and the import goes on."""
    (source / "synopses.jsonl").unlink()
    assert read_movietweetings(source).entities[0].synopsis == ""


def test_small_genres_get_no_row_of_their_own(source: Path) -> None:
    """A row that could not be filled is no row."""
    rows = derived_rows(read_movietweetings(source).entities)
    assert not [row for row in rows if row.kind == "genre"]
    assert {"decade-1960s", "decade-2010s", "before"} <= {row.id for row in rows}


@pytest.mark.real_data
def test_the_real_folder_is_read_whole() -> None:
    """Every line of the real files is used."""
    folder = os.environ.get("GENPAGE_REAL_DATA")
    if not folder:
        pytest.skip("GENPAGE_REAL_DATA does not name the MovieTweetings folder")
    imported = read_movietweetings(Path(folder))
    assert (len(imported.entities), len(imported.events)) == (11_674, 121_863)
    assert len(imported.profiles) == 19_510
    assert imported.dropped.counts == {}
