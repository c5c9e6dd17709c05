"""The rollout's pure parts: canary, shadow, order, memory, what is remembered."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.fake import Logbook
from genpage.errors import InputError
from genpage.page import PageRow
from rollout.active import Handled
from rollout.announcement import Announcement
from rollout.canary import Canary, Sample, share_of
from rollout.gates import Timed, check_latency
from rollout.memory import _group_left
from rollout.orders import Orders
from rollout.refusal import RefusedError
from rollout.refused import MOST, Refusal, Refused
from rollout.shadow import Shadow
from rollout.terms import Terms

GOOD, BAD = Sample(failed=False, short=False, ms=50.0), Sample(failed=True, short=False, ms=0.0)
SHORT, SLOW = Sample(failed=False, short=True, ms=50.0), Sample(failed=False, short=False, ms=400.0)
DIGEST = "a" * 64


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_members_place_is_the_same_for_ever(member: str, version: str) -> None:
    """It lies in [0, 1), so a share of 1 takes everybody."""
    assert 0.0 <= share_of(member, version) == share_of(member, version) < 1.0


def test_another_version_takes_other_members() -> None:
    """So that not the same ones try out everything."""
    terms = Terms(strategy="canary", share=0.2)
    one, two = (Canary(version, terms, 0.0) for version in ("v1", "v2"))
    members = [f"m{n}" for n in range(2_000)]
    both = sum(one.takes(m) and two.takes(m) for m in members)
    assert 40 < both < 130  # a fifth of a fifth


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        (GOOD, GOOD, "promote"),
        (BAD, GOOD, "roll back"),
        (SHORT, GOOD, "roll back"),
        (SLOW, GOOD, "roll back"),
        (BAD, BAD, "promote"),
        (SLOW, SLOW, "promote"),
        (GOOD, BAD, "promote"),
    ],
)
def test_a_canary_is_judged_beside_the_others(own: Sample, others: Sample, expected: str) -> None:
    """What ails both is not its fault."""
    canary = Canary("new", Terms(strategy="canary", pages=40, seconds=0.0), 0.0)
    verdict = None
    for _ in range(40):
        canary.record("old", others, 1.0)
        verdict = verdict or canary.record("new", own, 1.0)
    assert verdict is not None
    assert verdict.kind == expected


def test_a_canary_takes_its_time() -> None:
    """Pages alone do not promote it, nor a few bad ones at once."""
    canary = Canary("new", Terms(strategy="canary", pages=30, seconds=60.0, least=20), 100.0)
    for _ in range(19):
        assert canary.record("new", BAD, 101.0) is None
    verdict = canary.record("new", BAD, 101.0)
    assert verdict is not None
    assert verdict.kind == "roll back"
    canary = Canary("new", Terms(strategy="canary", pages=30, seconds=60.0, least=20), 100.0)
    for _ in range(50):
        assert canary.record("new", GOOD, 159.0) is None
    verdict = canary.record("new", GOOD, 160.0)
    assert verdict is not None
    assert verdict.kind == "promote"


def test_a_shadow_tells_how_alike_two_pages_are() -> None:
    """Titles anywhere, titles in their place, rows."""
    shadow = Shadow("new", Terms(strategy="shadow"))
    real = [PageRow("r1", ("a", "b")), PageRow("r2", ("c", "d"))]
    shadow.record(real, real)
    shadow.record(real, [PageRow("r1", ("b", "a")), PageRow("r3", ("c", "x"))])
    told = shadow.document()
    assert told["pages"] == 2
    assert (told["titles_shared"], told["same_place"]) == (0.875, 0.625)
    assert (told["rows_shared"], told["rows_in_place"]) == (0.75, 0.75)


def test_the_newest_announcement_wins() -> None:
    """What was dealt with before a restart is known again; an equal time is no older one."""
    orders = Orders(Handled(10.0, DIGEST))
    assert orders.repeats(Announcement("file:///x", 10.0, DIGEST))
    assert not orders.repeats(Announcement("file:///x", 10.0, "b" * 64))
    orders.take(Announcement("file:///x", 10.0, "b" * 64), 20.0)
    orders.take(Announcement("file:///x", 11.0), 20.0)
    with pytest.raises(RefusedError, match="something newer"):
        orders.take(Announcement("file:///x", 10.5), 20.0)
    with pytest.raises(RefusedError, match="5 minutes ahead"):
        orders.take(Announcement("file:///x", 321.0), 20.0)


def test_a_slow_bundle_does_not_pass() -> None:
    """By the best page of each; a few milliseconds are noise."""
    check_latency(Timed((90.0, 300.0), (40.0, 80.0)), 2.0)
    check_latency(Timed((), (40.0,)), 2.0)
    with pytest.raises(RefusedError, match="2 times") as refused:
        check_latency(Timed((101.0,), (40.0,)), 2.0)
    assert refused.value.kind == "latency"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "bundle_uri"),
        ({"bundle_uri": "file:///x", "created_at": 1.0}, "digest"),
        ({"bundle_uri": "file:///x", "created_at": "soon", "digest": DIGEST}, "created_at"),
        ({"bundle_uri": "file:///x", "created_at": 1.0, "digest": "abc"}, "digest"),
        (
            {
                "bundle_uri": "file:///x",
                "created_at": 1.0,
                "digest": DIGEST,
                "rollout": {"strategy": "slowly"},
            },
            "rollout.strategy",
        ),
        ([], "document"),
    ],
)
def test_a_wrong_announcement_is_told_by_its_field(document: object, field: str) -> None:
    """It would be poison on the topic."""
    with pytest.raises(InputError, match=rf"^checkpoint: {field}: "):
        Announcement.parse(document)


def test_an_announcement_survives_its_document() -> None:
    """Null counts as left out, and what a later version adds is let through."""
    announced = Announcement("file:///x", 1.0, DIGEST, rollout=Terms("canary", share=0.5))
    document = announced.document()
    assert document["parent"] is None
    document["rollout"]["later"] = 1
    assert Announcement.parse({**document, "later": {}}) == announced


def test_refusals_outlive_a_restart(tmp_path: Path) -> None:
    """The newest of them; a damaged memory is passed over with a warning."""
    logbook = Logbook()
    refused = Refused(tmp_path, logbook.logger())
    for number in range(MOST + 1):
        refused.add(Refusal(f"{number}", "bundle", "NaN", 1.0))
    refused.write()
    again = Refused(tmp_path, logbook.logger())
    again.check("0")
    with pytest.raises(RefusedError, match="refused before and are not tried again: NaN"):
        again.check(f"{MOST}")
    again.forgive(f"{MOST}")
    again.write()
    Refused(tmp_path, logbook.logger()).check(f"{MOST}")
    assert not logbook.lines
    (tmp_path / "refused.json").write_text("{", "utf-8")
    assert len(Refused(tmp_path, logbook.logger())) == 0
    assert logbook.lines[0]["log_level"] == "warning"


def test_a_control_group_bounds_memory(tmp_path: Path) -> None:
    """Version 2 and 1; cached files are given back when memory is asked for."""
    assert _group_left(tmp_path) is None
    old = tmp_path / "memory"
    old.mkdir()
    (old / "memory.limit_in_bytes").write_text("1000", "ascii")
    (old / "memory.usage_in_bytes").write_text("700", "ascii")
    (old / "memory.stat").write_text("cache 9\ntotal_inactive_file 100\n", "ascii")
    assert _group_left(tmp_path) == 400
    (tmp_path / "memory.max").write_text("max\n", "ascii")
    assert _group_left(tmp_path) is None
    (tmp_path / "memory.max").write_text("500\n", "ascii")
    (tmp_path / "memory.current").write_text("450\n", "ascii")
    (tmp_path / "memory.stat").write_text("inactive_file 20\n", "ascii")
    assert _group_left(tmp_path) == 70
