"""A rollout on a real engine: bundles come to serve by their strategy, and the way back."""

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import digest_of
from kafka_clients import until
from replicas import Replica, Start, announcement

from genpage.context import Context
from genpage.errors import ConflictError, NotFoundError
from genpage.hold import LOCK
from genpage.page import PageRow
from genpage.request import PageRequest
from rollout.active import ActiveBundle
from rollout.canary import Sample, share_of
from rollout.rollout import Rollout
from rollout.trial import Served, ShadowTrial
from runtime.cases import parse_cases
from runtime.offline import generate
from runtime.registry import Registry

Another = Callable[[], Path]


def page_of(version: str, number: int = 0, *, failed: bool = False, ms: float = 10.0) -> Served:
    """A page that ended, of a member nobody knows."""
    return Served(
        page_id=f"p{number}",
        version=version,
        request=PageRequest(user_id=f"m{number}", at=0.0, rows=2, entities_per_row=3),
        context=Context(f"m{number}"),
        rows=[],
        sample=Sample(failed=failed, short=False, ms=ms),
        first=True,
    )


def active_of(replica: Replica) -> str:
    """The active version."""
    assert replica.active is not None
    return replica.active


async def test_an_announced_bundle_comes_to_serve(start: Start, another: Another) -> None:
    """Fetched, loaded, judged and activated; the one before stays for a rollback."""
    replica, bundle = await start(), another()
    before = replica.active
    attempt = await replica.take(bundle)
    assert (attempt.state, attempt.why) == ("active", None)
    assert replica.active == attempt.version
    assert replica.registry.previous is not None
    assert replica.registry.previous.version == before
    assert replica.events == [("loaded", attempt.version), ("activated", attempt.version)]
    told = replica.statuses[-1]
    assert told.bundle_uri == bundle.as_uri()
    assert told.active is not None
    assert told.previous is not None
    assert (told.active.version, told.previous.version) == (attempt.version, before)
    assert told.swap_s is not None
    numbers = replica.rollout.numbers
    assert numbers.last_activation_s is not None


async def test_the_first_bundle_may_be_announced(start: Start, another: Another) -> None:
    """A server that started without one has nothing to compare it with."""
    replica = await start(bundle=None)
    attempt = await replica.take(another(), strategy="canary")
    assert (attempt.state, replica.active) == ("active", attempt.version)
    with pytest.raises(ConflictError, match="no earlier version"):
        await replica.rollout.rollback()


async def test_a_rollback_is_at_once_and_forth_again(start: Start, another: Another) -> None:
    """Nothing is loaded for it, and what was rolled back is not refused for it."""
    replica, bundle = await start(), another()
    before = active_of(replica)
    attempt = await replica.take(bundle)
    assert (await replica.rollout.rollback()).version == before
    assert (replica.active, attempt.state) == (before, "rolled back")
    assert replica.events[-1] == ("rolled back", attempt.version)
    again = await replica.take(bundle)
    assert (again.state, replica.active) == ("active", attempt.version)
    assert replica.rollout.numbers.rolled_back == 1


async def test_a_manual_bundle_waits_to_be_activated(start: Start, another: Another) -> None:
    """It is loaded and judged; another version is not there to be activated."""
    replica = await start()
    before = replica.active
    attempt = await replica.take(another(), strategy="manual")
    assert (attempt.state, replica.active) == ("loaded", before)
    with pytest.raises(NotFoundError, match="not loaded here"):
        await replica.rollout.activate("nothing")
    assert attempt.version is not None
    await replica.rollout.activate(attempt.version)
    assert (attempt.state, replica.active) == ("active", attempt.version)


async def test_what_was_activated_is_told_though_others_followed(
    start: Start, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked hears of their version, even if it is let go of while that is noted."""
    replica = await start()
    attempt = await replica.take(another(), strategy="manual")

    async def others_follow(_: object) -> None:
        monkeypatch.setattr(Registry, "find", lambda *_: None)

    monkeypatch.setattr(Rollout, "_keep", others_follow)
    assert attempt.version is not None
    assert (await replica.rollout.activate(attempt.version)).version == attempt.version


async def test_a_canary_has_its_share_and_is_promoted(start: Start, another: Another) -> None:
    """The same members all the while; after its pages it is everybody's."""
    replica = await start()
    before = active_of(replica)
    attempt = await replica.take(another(), strategy="canary", share=0.3, pages=30, seconds=0.0)
    assert attempt.state == "on trial"
    version = attempt.version
    assert version is not None
    taken = [
        user
        for user in (f"m{n}" for n in range(1_000))
        if (model := replica.registry.for_member(user)) and model.version == version
    ]
    assert 230 < len(taken) < 370
    assert all(share_of(user, version) < 0.3 for user in taken)
    for number in range(30):
        replica.rollout.served(page_of(before, number))
        replica.rollout.served(page_of(version, number))
    assert (attempt.state, replica.active) == ("active", version)
    assert replica.rollout.trial is None
    told = replica.statuses[-1]
    assert (told.event, told.why) == ("activated", "30 pages as good as the active bundle's")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (page_of("?", failed=True), "pages failed"),
        (page_of("?", ms=500.0), "a page takes 500 ms"),
    ],
)
async def test_a_canary_that_does_worse_is_rolled_back(
    bad: Served, why: str, start: Start, another: Another
) -> None:
    """By itself, in the call that saw it; its bytes are not tried again."""
    replica, bundle = await start(), another()
    before = active_of(replica)
    attempt = await replica.take(bundle, strategy="canary", share=0.5)
    version = attempt.version
    assert version is not None
    for number in range(20):
        replica.rollout.served(page_of(before, number))
        sample = bad.sample
        page = page_of(version, number, failed=sample.failed, ms=sample.ms)
        replica.rollout.served(page)
    assert (attempt.state, replica.active) == ("rolled back", before)
    assert replica.registry.on_trial is None
    told = replica.statuses[-1]
    assert told.event == "rolled back"
    assert told.why is not None
    assert why in told.why
    again = await replica.take(bundle)
    assert (again.state, again.kind) == ("rejected", "canary")


async def test_a_rollback_during_a_canary_ends_it(start: Start, another: Another) -> None:
    """The active version stays."""
    replica = await start()
    before = replica.active
    attempt = await replica.take(another(), strategy="canary")
    assert (await replica.rollout.rollback()).version == before
    assert (attempt.state, replica.active) == ("rolled back", before)
    assert replica.registry.on_trial is None


async def test_a_shadow_is_compared_and_never_serves(
    start: Start, another: Another, first: Path
) -> None:
    """The same weights give the same page, under the live engine, beside nobody's."""
    replica = await start()
    before = active_of(replica)
    attempt = await replica.take(another(), strategy="shadow", share=1.0)
    assert (attempt.state, replica.active) == ("on trial", before)
    model = replica.registry.active
    assert model is not None
    member = parse_cases((first / "golden.json").read_bytes())[0].member
    rows = [PageRow(r.row_id, r.entity_ids) for r in next(generate(model, [member])).rows]
    real = page_of(before)
    served = Served("p1", before, member.request, member.context, rows, real.sample, first=True)
    trial = replica.rollout.trial
    assert isinstance(trial, ShadowTrial)
    replica.rollout.served(served)
    shadow = trial.shadow
    await until(lambda: shadow.pages + shadow.failed > 0)
    told = trial.document()
    assert (told["pages"], told["failed"]) == (1, 0)
    assert (told["titles_shared"], told["same_place"], told["rows_shared"]) == (1.0, 1.0, 1.0)
    for number in range(20):
        replica.rollout.served(page_of(before, number))
    assert shadow.dropped > 0
    assert attempt.version is not None
    await replica.rollout.activate(attempt.version)
    assert replica.rollout.trial is None


async def test_an_old_bundle_is_freed(start: Start, another: Another) -> None:
    """Active and previous stay; the third last is gone from memory, and from the disk."""
    replica = await start()
    first = replica.registry.active
    assert first is not None
    gone = weakref.ref(first.backend)
    del first
    bundles = [another() for _ in range(3)]
    for bundle in bundles:
        await replica.take(bundle)

    def freed() -> bool:
        gc.collect()
        return gone() is None

    await until(freed)
    assert len(replica.registry.loaded) == 2
    needed = {digest_of(bundle) for bundle in bundles[1:]}
    staging = replica.rollout.settings.staging
    await until(lambda: {entry.name for entry in staging.iterdir()} - {LOCK} == needed)


async def test_a_restart_comes_back_on_the_active_version(
    start: Start, another: Another, tmp_path: Path
) -> None:
    """Also after a rollback; the earlier one is loaded again, and old announcements are not."""
    state = tmp_path / "state"
    staging = state / "bundles"
    replica = await start(state_dir=state, staging=staging)
    bundle = another()
    announced = announcement(bundle)
    attempt = await replica.ended(replica.rollout.announce(announced))
    before = (await replica.rollout.rollback()).version
    remembered = ActiveBundle.recall(state, replica.logbook.logger())
    assert remembered is not None
    assert remembered.version == before
    assert remembered.previous is not None
    assert remembered.previous.version == attempt.version
    assert json.loads((staging / digest_of(bundle) / "manifest.json").read_bytes())
    restarted = await start(state_dir=state, staging=staging, remembered=remembered)
    assert restarted.rollout.announce(announced, replayed=True) is None
    await until(lambda: restarted.registry.previous is not None)
    assert restarted.active == before
    assert (await restarted.rollout.rollback()).version == attempt.version


async def test_a_source_that_is_away_is_asked_again(
    start: Start, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, while nothing newer is announced."""
    monkeypatch.setattr("rollout.queue.RETRY_S", (0.01,))
    free = [0, 1 << 40]
    replica = await start(available=lambda: free.pop(0) if len(free) > 1 else free[0])
    attempt = replica.rollout.announce(announcement(another()))
    assert attempt is not None
    await until(lambda: attempt.state == "active")
    assert [event for event, _ in replica.events] == ["rejected", "loaded", "activated"]
