"""The judge: true rewards of any page from what a simulated folder holds."""

from pathlib import Path

import pytest

from dataset.folder import DataFolder
from genpage.errors import DatasetError, NotFoundError
from genpage.event import Event
from genpage.page import Page, PageRow
from simulation.behaviour import Values
from simulation.judge import Judge, Showing
from simulation.truth import Truth


@pytest.fixture(scope="module")
def judge(service: Path) -> Judge:
    """The judge of the small service."""
    return Judge.open(service)


def page(judge: Judge, first: int = 0) -> Page:
    """Two rows of five titles."""
    ids = [str(entity) for entity in judge.truth.entity_ids[first : first + 10]]
    return Page((PageRow("a", tuple(ids[:5])), PageRow("b", tuple(ids[5:]))))


def test_a_batch_judges_as_one_by_one(judge: Judge) -> None:
    """Padding pages of several sizes to one batch changes no reward."""
    short = Page((PageRow("a", page(judge).rows[0].entity_ids[:3]),))
    at = judge.truth.start + 1e5
    members = [str(name) for name in judge.truth.member_ids[:4]]
    showings = [Showing(page(judge, 10 * i), m, at, "phone") for i, m in enumerate(members)]
    showings.append(Showing(short, members[0], at))
    rewards = judge.rewards(showings)
    for showing, reward in zip(showings, rewards, strict=True):
        assert judge.reward(showing) == pytest.approx(reward, rel=1e-5)
        assert reward != 0


def test_history_matters(judge: Judge) -> None:
    """What was finished is worth less, what was begun is worth more."""
    at = judge.truth.start + 3e5
    member = str(judge.truth.member_ids[0])
    films = [i for i in range(len(judge.truth.kind)) if judge.truth.kind[i] == 1][:5]
    ids = tuple(str(judge.truth.entity_ids[i]) for i in films)
    shown = Page((PageRow("films", ids),))

    def after(share: float) -> float:
        history = [
            Event(f"e{i}", member, str(judge.truth.entity_ids[i]), "play", at - 900 + i,
                  duration_s=share * float(judge.truth.duration_s[i]))
            for i in films
        ]  # fmt: skip
        return judge.reward(Showing(shown, member, at, history=history))

    unknown = judge.reward(Showing(shown, member, at, history=[]))
    assert after(0.3) > unknown > after(1.0)


def test_the_log_is_the_default_history(judge: Judge, service: Path) -> None:
    """Leaving the history out reads the folder's events before the time, and none after."""
    events = DataFolder(service).events()
    busiest = events["user_id"].value_counts(sort=True)["user_id"][0]
    own = events.filter(events["user_id"] == busiest)
    ids = tuple(dict.fromkeys(own["entity_id"].to_list()))
    shown = Page((PageRow("own", ids),))
    at = float(own["ts"][len(own) // 2])
    history = [Event(**line) for line in own.filter(own["ts"] < at).to_dicts()]
    explicit = judge.reward(Showing(shown, busiest, at, history=history))
    assert judge.reward(Showing(shown, busiest, at)) == pytest.approx(explicit)
    assert judge.reward(Showing(shown, busiest, at, history=[])) != pytest.approx(explicit)


def test_values_can_be_ones_own(service: Path, judge: Judge) -> None:
    """The reward is linear in the values that are given."""
    one = Showing(page(judge), str(judge.truth.member_ids[1]), judge.truth.start + 5e4)
    base, double = Values(), Values(tuple(2 * v for v in Values().outcomes), 2 * Values().hour)
    assert Judge.open(service, double).reward(one) == pytest.approx(
        2 * Judge.open(service, base).reward(one)
    )


def test_any_time_is_judged(judge: Judge) -> None:
    """Long before, long after: a number all the same, and the empty page is worth nothing."""
    member = str(judge.truth.member_ids[2])
    for at in (0.0, judge.truth.start - 1e7, judge.truth.start + 1e9):
        assert judge.reward(Showing(page(judge), member, at)) == pytest.approx(
            judge.reward(Showing(page(judge), member, at))
        )
    assert judge.reward(Showing(Page(), member, judge.truth.start)) == 0


def test_unknown_ids_are_named(judge: Judge) -> None:
    """A member or an entity that the service lacks is a `NotFoundError` that names it."""
    at, member = judge.truth.start, str(judge.truth.member_ids[0])
    with pytest.raises(NotFoundError, match="nobody"):
        judge.reward(Showing(page(judge), "nobody", at))
    with pytest.raises(NotFoundError, match="film-x"):
        judge.reward(Showing(Page((PageRow("a", ("film-x",)),)), member, at))


def test_a_folder_without_truth_is_refused(tmp_path: Path) -> None:
    """Real data have no truth; the error says how to get one."""
    with pytest.raises(DatasetError, match="genpage simulate"):
        Truth.load(tmp_path / "truth")


def test_truth_survives_the_disk(service: Path, tmp_path: Path, judge: Judge) -> None:
    """Saving and loading give the same arrays."""
    judge.truth.save(tmp_path / "again")
    for name in ("truth.npz", "behaviour.json"):
        assert (tmp_path / "again" / name).read_bytes() == (service / "truth" / name).read_bytes()
