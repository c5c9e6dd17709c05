"""What goes wrong on our own side, or on a source's: the rollout and pages go on."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bundles import digest_of
from kafka_clients import until
from replicas import Replica, Start, announcement

from genpage.context import Context
from genpage.page import PageRow
from genpage.request import PageRequest
from rollout.active import ActiveBundle
from rollout.announcement import Announcement
from rollout.attempts import MOST, Attempts
from rollout.canary import Sample
from rollout.fetch import Fetcher
from rollout.pace import Pace
from rollout.probe import Prober
from rollout.refusal import RefusedError
from rollout.source import LocalFolder, Sources, TransferError
from rollout.status import Status
from rollout.trial import Served, ShadowTrial

Another = Callable[[], Path]


def page_of(version: str, number: int = 0, *, failed: bool = False) -> Served:
    """A page that ended."""
    request = PageRequest(user_id=f"m{number}", at=0.0, rows=2, entities_per_row=3)
    sample = Sample(failed=failed, short=False, ms=10.0)
    context = Context(request.user_id)
    return Served(f"p{number}", version, request, context, [], sample, first=True)


async def canary_fails(replica: Replica, bundle: Path) -> None:
    """A canary that is rolled back by itself."""
    attempt = await replica.take(bundle, strategy="canary", share=0.5)
    assert attempt.version is not None
    for number in range(20):
        replica.rollout.served(page_of(attempt.version, number, failed=True))
    assert attempt.state == "rolled back"


async def test_a_refusal_that_cannot_be_written_ends_nothing(
    start: Start, another: Another, tmp_path: Path
) -> None:
    """It holds for this process, it is logged, and the next bundle comes to serve."""
    state = tmp_path / "state"
    (state / "refused.json" / "in the way").mkdir(parents=True)
    replica, bundle = await start(state_dir=state), another()
    await canary_fails(replica, bundle)
    assert (await replica.take(bundle)).kind == "canary"
    assert (await replica.take(another())).state == "active"
    assert replica.rollout.state == "ok"
    await until(lambda: any("cannot be kept" in line["event"] for line in replica.logbook.lines))


async def test_the_status_of_a_canary_says_what_kind_of_end_it_was(
    start: Start, another: Another
) -> None:
    """Of the kind canary, and not to be tried again."""
    replica = await start()
    await canary_fails(replica, another())
    told = replica.statuses[-1]
    assert (told.event, told.kind, told.retryable) == ("rolled back", "canary", False)


async def test_a_shadow_page_that_raises_is_a_failed_one(
    start: Start, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it raises; the next is compared, and the server goes on."""
    replica = await start()

    async def raising(*_: object) -> list[PageRow]:
        raise ZeroDivisionError

    monkeypatch.setattr(Prober, "rows", raising)
    await replica.take(another(), strategy="shadow", share=1.0)
    trial = replica.rollout.trial
    assert isinstance(trial, ShadowTrial)
    shadow = trial.shadow
    assert replica.active is not None
    for number in (1, 2):
        replica.rollout.served(page_of(replica.active, number))
        await until(lambda: shadow.failed == number)  # noqa: B023 - awaited in its turn
    assert (await replica.take(another())).state == "active"


async def test_a_listener_that_raises_ends_nothing(start: Start, another: Another) -> None:
    """Nor does it keep the status from others."""
    replica = await start()

    def listener(_: Status) -> None:
        raise OSError("no space left")

    replica.rollout.listeners.insert(0, listener)
    assert (await replica.take(another())).state == "active"
    assert replica.events[-1][0] == "activated"
    assert replica.rollout.state == "ok"


@pytest.mark.parametrize("strategy", ["canary", "shadow", "manual"])
async def test_what_an_operator_ended_stays_ended_after_a_restart(
    strategy: str, start: Start, another: Another, tmp_path: Path
) -> None:
    """The announcement that is read again is not taken up again."""
    state = tmp_path / "state"
    replica = await start(state_dir=state)
    announced = announcement(another(), strategy=strategy)
    attempt = await replica.ended(replica.rollout.announce(announced))
    if strategy == "manual":
        await replica.rollout.activate(attempt.version or "")
    await replica.rollout.rollback()
    remembered = ActiveBundle.recall(state, replica.logbook.logger())
    assert remembered is not None
    restarted = await start(state_dir=state, remembered=remembered)
    assert restarted.rollout.announce(announced, replayed=True) is None


async def test_what_is_turned_away_while_it_loads_stays_away_after_a_restart(
    start: Start, another: Another, tmp_path: Path, stuck: "Stuck"
) -> None:
    """Though its end was never seen."""
    state = tmp_path / "state"
    replica = await start(state_dir=state)
    await replica.take(another())
    held = another()
    stuck.folder = held
    announced = announcement(held)
    attempt = replica.rollout.announce(announced)
    assert attempt is not None
    await until(stuck.reached.is_set)
    await replica.rollout.rollback()
    remembered = ActiveBundle.recall(state, replica.logbook.logger())
    assert remembered is not None
    restarted = await start(state_dir=state, remembered=remembered)
    assert restarted.rollout.announce(announced, replayed=True) is None


class Stuck:
    """A source that stands still in the middle of one folder."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.reached = threading.Event()
        self.release = threading.Event()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    """See `Stuck`; released at the end."""
    made, read = Stuck(), LocalFolder.pieces

    def pieces(self: LocalFolder, name: str, start: int, size: int) -> Iterator[bytes]:
        if made.folder is not None and self.folder == made.folder:
            made.reached.set()
            made.release.wait(60.0)
        return read(self, name, start, size)

    monkeypatch.setattr(LocalFolder, "pieces", pieces)
    yield made
    made.release.set()


async def test_a_source_that_stands_still_holds_up_nothing_newer(
    start: Start, another: Another, stuck: Stuck
) -> None:
    """It is left behind: what is announced meanwhile comes to serve, and so does what is loaded."""
    replica = await start()
    first = another()
    await replica.take(first)
    stuck.folder = another()
    hung = replica.rollout.announce(announcement(stuck.folder))
    assert hung is not None
    await until(stuck.reached.is_set)
    assert (await replica.take(another())).state == "active"
    assert (hung.state, hung.kind) == ("rejected", "superseded")
    back = await replica.take(first)
    assert (back.state, back.version) == ("active", replica.active)
    assert not stuck.release.is_set()


async def test_a_replicas_own_moment_can_be_interrupted(start: Start, another: Another) -> None:
    """Something newer does not wait for the older one's."""
    replica = await start()
    object.__setattr__(replica.rollout.settings, "stagger_s", 1e9)
    waits = replica.rollout.announce(announcement(another()))
    assert waits is not None
    await asyncio.sleep(0)
    object.__setattr__(replica.rollout.settings, "stagger_s", 0.0)
    assert (await replica.take(another())).state == "active"
    assert waits.kind == "superseded"


def test_a_source_that_drips_is_broken() -> None:
    """After a grace, below the least rate; at once where nobody wants it."""
    now = [0.0]
    pace = Pace(lambda: True, 10.0, 100.0, lambda: now[0])
    now[0] = 10.0
    pace.arrived(1)
    now[0] = 11.0
    pace.arrived(1_099)
    now[0] = 12.0
    with pytest.raises(TransferError, match="in 12 s"):
        pace.arrived(99)
    with pytest.raises(RefusedError, match="newer"):
        Pace(lambda: False, 10.0, 100.0).arrived(1)


def test_only_what_was_fetched_is_removed(another: Another, tmp_path: Path) -> None:
    """Bundles and parts of them; somebody's own folder stays."""
    staging, bundle = tmp_path / "fetched", another()
    fetcher = Fetcher(staging, Sources())
    fetched = fetcher.fetch(fetcher.find(bundle.as_uri(), None), lambda: True)
    other = "b" * 64
    for name in ("mine", f"{other}.part", f"{other}.gone", "c" * 64):
        (staging / name).mkdir()
    fetcher.keep_only(lambda: {fetched.digest})
    assert {entry.name for entry in staging.iterdir()} == {"mine", fetched.digest}
    fetcher.keep_only(set)
    assert {entry.name for entry in staging.iterdir()} == {"mine"}


def test_a_part_is_kept_for_who_goes_on_with_it(tmp_path: Path) -> None:
    """What is needed is asked as it is tidied."""
    digest, fetcher = "d" * 64, Fetcher(tmp_path, Sources())
    (tmp_path / f"{digest}.part").mkdir()
    needed = set[str]()

    def asked() -> set[str]:
        needed.add(digest)  # it began just now
        return needed

    fetcher.keep_only(asked)
    assert (tmp_path / f"{digest}.part").is_dir()


async def test_half_of_our_own_copy_is_fetched_again(
    start: Start, another: Another, tmp_path: Path
) -> None:
    """A crash in the middle of removing it must not be held against a good bundle."""
    bundle, staging = another(), tmp_path / "fetched"
    half = staging / digest_of(bundle)
    half.mkdir(parents=True)
    (half / "manifest.json").write_bytes((bundle / "manifest.json").read_bytes())
    replica = await start(staging=staging)
    assert (await replica.take(bundle)).state == "active"


async def test_a_rollback_during_a_shadow_goes_back(start: Start, another: Another) -> None:
    """The shadow serves nobody: it is the active version that is meant. It ends too."""
    replica = await start()
    before = replica.active
    await replica.take(another())
    shadow = await replica.take(another(), strategy="shadow")
    assert (await replica.rollout.rollback()).version == before
    assert (replica.active, shadow.state, replica.rollout.trial) == (before, "replaced", None)


def test_what_is_in_use_is_listed_however_much_is_refused() -> None:
    """What is over makes room; what serves, is tried out or comes again does not."""
    attempts = Attempts(lambda: 0.0)
    used = [attempts.add(Announcement("file:///x", float(at))) for at in range(3)]
    used[0].state, used[1].state = "active", "on trial"
    used[2].state, used[2].coming_again = "rejected", True
    for at in range(3, 3 + 2 * MOST):
        attempts.add(replace(used[0].announcement, created_at=float(at))).state = "rejected"
    assert len(attempts.by_id) == MOST
    assert all(each.id in attempts.by_id for each in used)
