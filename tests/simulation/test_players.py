"""Simulated members on pages that they were really served."""

from pathlib import Path

import pytest

from dataset.folder import DataFolder
from dataset.write import new_folder
from genpage.served_page import ServedPage, ServedRow
from simulation.players import Players
from simulation.service import simulate
from simulation.settings import Settings

AT = 1_793_000_000.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated service."""
    folder = tmp_path_factory.mktemp("service") / "data"
    with new_folder(folder) as writer:
        simulate(Settings(members=20, entities=120, days=2, seed=3), writer)
    return folder


def pages(service: Path, sent: int = 5) -> list[ServedPage]:
    """A page for each member, of titles of the service and one that came later."""
    data = DataFolder(service)
    ids = [entity.id for entity in data.catalog().entities]
    rows = tuple(
        ServedRow(f"r{n}", ("newcomer", *ids[n * 10 : n * 10 + 9]), (1.0,) * 10) for n in range(5)
    )
    members = data.profiles()["user_id"].to_list()
    return [
        ServedPage(f"p-{user}", user, AT + n, "tv", None, sent, rows)
        for n, user in enumerate(members)
    ]


def test_a_page_is_always_played_alike(service: Path) -> None:
    """By whoever plays it, under the same ids, on what was sent alone."""
    first, second = (Players.open(service, seed=1) for _ in range(2))
    played = [first.react(page) for page in pages(service)]
    assert played == [second.react(page) for page in pages(service)]
    assert played != [Players.open(service, seed=2).react(page) for page in pages(service)]
    events = [event for done in played for event in done]
    assert len(events) > 10
    for page, done in zip(pages(service), played, strict=True):
        for event in done:
            assert event.page_id == page.page_id
            assert event.row_pos is not None
            assert event.col_pos is not None
            assert event.entity_id == page.rows[event.row_pos].entity_ids[event.col_pos]
            assert event.entity_id != "newcomer"
    halves = [Players.open(service, seed=1).react(page) for page in pages(service, sent=1)]
    assert {event.row_pos for done in halves for event in done} == {0}


def test_nothing_is_done_after_now(service: Path) -> None:
    """A play of hours is told as it begins; the log refuses what lies ahead."""
    data = Players.open(service, seed=1)
    data._clock = lambda: AT + 30.0
    events = [event for page in pages(service) for event in data.react(page)]
    assert max(event.ts for event in events) <= AT + 30.0


def test_a_member_remembers_what_they_did(service: Path) -> None:
    """On the next page they know it: a disliked or finished title is taken up less."""
    players = Players.open(service)
    page = pages(service)[0]
    before = dict(players._known(page))
    done = players.react(page)
    changed = {id_ for id_, state in players._known(page).items() if before.get(id_) != state}
    assert changed <= {event.entity_id for event in done}


def test_strangers_do_nothing(service: Path) -> None:
    """Nor does anybody on a page of which nothing was sent."""
    stranger = ServedPage("p", "nobody", AT, "tv", None, 1, (ServedRow("r", ("e",), (1.0,)),))
    players = Players.open(service)
    assert players.react(stranger) == []
    assert players.react(pages(service, sent=0)[0]) == []
